"""Pictures in the page: figures that plotly's own schema takes, with the numbers and texts they were given."""

import json
import math
from dataclasses import replace

import numpy as np
import plotly.graph_objects as go
import pytest

from src.plots.chart import Axis, Chart, Contours, Heat, Level, Line, Picture, Points, Region
from src.plots.interactive import figure
from src.plots.palette import DARK, INK, assign_looks
from src.plots.theme import Plotly, plain
from tests.plots.test_static import BOWL, CHART, HEAT, RACE

NASTY = "<img src=x onerror=alert(1)> %{x} $&amp;"


def _trace(drawn: Plotly, name: str, mode: str) -> Plotly:
    (found,) = [one for one in drawn["data"] if one.get("name") == name and one.get("mode") == mode]
    return dict(found)


@pytest.mark.parametrize("picture", [CHART, HEAT, BOWL, RACE], ids=lambda picture: type(picture).__name__)
def test_plotly_takes_it_and_json_holds_it(picture: Picture) -> None:
    drawn = figure(picture)
    go.Figure(drawn)  # raises on every key and value that plotly does not know
    assert json.loads(json.dumps(drawn, allow_nan=False)) == drawn


def test_numbers_are_those_given_and_what_is_not_finite_is_left_out() -> None:
    values = [1.0, math.nan, math.inf, -math.inf, 1 / 3, 1e-300]
    assert plain(values) == [1.0, None, None, None, 0.333333, 1e-300]
    chart = Chart("c", "C", Axis("x"), Axis("y"), lines=[Line("a", range(6), values)])
    assert _trace(figure(chart), "a", "lines+markers")["y"] == plain(values)


def test_axes_start_as_they_say_and_know_their_other_scale() -> None:
    chart = Chart("c", "C", Axis("x", switch=True), Axis("y", log=True), lines=[Line("a", [1, 100], [1, 100])])
    layout = figure(chart)["layout"]
    extents = layout["meta"]["extents"]
    assert {which: set(scales) for which, scales in extents.items()} == {"x": {"linear", "log"}, "y": {"log"}}
    assert layout["xaxis"]["range"] == extents["x"]["linear"]
    assert [10**end for end in layout["yaxis"]["range"]] == pytest.approx(extents["y"]["log"])


def test_an_axis_of_names() -> None:
    chart = Chart("c", "C", Axis("x"), Axis("", limits=(-1, 2), names=["a", NASTY]), points=[Points("p", [1], [0])])
    axis = figure(chart)["layout"]["yaxis"]
    assert axis["tickvals"] == [0, 1]
    assert axis["ticktext"][0] == "a"
    assert "<img" not in axis["ticktext"][1]


def test_all_that_belongs_to_a_series_is_hidden_with_it() -> None:
    drawn = figure(CHART)
    groups = [one.get("legendgroup") for one in drawn["data"]]
    assert groups.count("sgd") == 3  # its band, its line and the bar where it diverged
    assert _trace(drawn, "theory", "lines").get("legendgroup") is None
    assert [shape.get("legendgroup") for shape in drawn["layout"]["shapes"]] == ["sgd", None, None]


def test_band_is_a_closed_outline_without_the_points_it_lacks() -> None:
    nan = math.nan
    line = Line("a", [0, 1, 2, 3], [1, 1, 1, 1], low=[0.5, nan, 0.5, 0.5], high=[2, 2, 2, 3])
    (band,) = [one for one in figure(Chart("c", "C", Axis("x"), Axis("y"), lines=[line]))["data"] if "fill" in one]
    assert band["x"] == [0, 0, None, 2, 3, 3, 2]
    assert band["y"] == [2, 0.5, None, 2, 3, 0.5, 0.5]


def test_a_line_without_any_marker() -> None:
    line = Line("a", [0, 1], [1, 1], markers=None)
    (drawn,) = figure(Chart("c", "C", Axis("x"), Axis("y"), lines=[line]))["data"]
    assert drawn["mode"] == "lines"


def test_stairs_stay_level() -> None:
    line = Line("a", [0, 1], [1, 2], stairs=True)
    (stairs,) = figure(Chart("c", "C", Axis("x"), Axis("y"), lines=[line]))["data"]
    assert stairs["line"]["shape"] == "hv"


def test_markup_in_a_name_is_no_markup() -> None:
    lines = [Line(NASTY, [0, 1], [0, 1], hover=[NASTY, NASTY])]
    others = {"points": [Points(NASTY, [0], [0], NASTY)], "levels": [Level(NASTY, 0.5, "x")]}
    chart = Chart("c", NASTY, Axis(NASTY), Axis(NASTY), lines=lines, regions=[Region(NASTY, 0.5, 1, NASTY)], **others)  # type: ignore[arg-type]
    heat = Heat("h", NASTY, NASTY, NASTY, [NASTY], [NASTY], np.ones((1, 1)), NASTY)
    for drawn in (figure(chart), figure(heat)):
        shown = json.dumps([{k: v for k, v in one.items() if k != "legendgroup"} for one in drawn["data"]])
        shown += json.dumps({k: v for k, v in drawn["layout"].items() if k != "shapes"})
        shown += json.dumps([shape["label"]["text"] for shape in drawn["layout"].get("shapes", ()) if "label" in shape])
        assert "<img" not in shown
        assert "onerror" in shown
        templates = "".join(one.get("hovertemplate", "") for one in drawn["data"])
        assert "%{x} $" not in templates  # as the name has it; a field of the template has a format behind it


def test_every_colour_of_a_line_has_one_for_the_dark() -> None:
    names = [str(index) for index in range(10)]
    lines = [Line(name, [0, 1], [0, 1]) for name in names]
    drawn = figure(Chart("c", "C", Axis("x"), Axis("y"), lines=lines), assign_looks(names))
    assert {one["line"]["color"] for one in drawn["data"]} <= set(DARK)
    assert drawn["layout"]["font"]["color"] == INK


def test_heat_has_colours_where_there_is_a_value_and_crosses_where_there_is_none() -> None:
    missing, main = figure(HEAT)["data"]
    assert main["z"] == [[0, None], [None, 2]]  # log10 of 1 and 100
    assert main["customdata"] == [[1, None], [None, 100]]
    assert missing["z"] == [[None, 0], [0, None]]


def test_heights_lie_between_the_numbers_of_their_levels() -> None:
    ground = figure(BOWL)["data"][0]
    assert np.nanmin(np.array(ground["z"])) == 0
    assert np.nanmax(np.array(ground["z"])) == ground["zmax"] == ground["contours"]["end"]
    assert ground["customdata"][0][0] == 2  # the height of the corner is shown as it is


def test_animation_names_its_traces_and_frames() -> None:
    drawn = figure(RACE)
    meta, data = drawn["layout"]["meta"], drawn["data"]
    assert meta["last"] == 10
    for path, ways in zip(BOWL.paths, meta["paths"], strict=True):
        way, head = (data[index] for index in ways["traces"])
        assert way["legendgroup"] == head["legendgroup"] == path.name
        assert len(way["x"]) == len(ways["steps"])
        assert head["x"] == way["x"][-1:]
    assert meta["paths"][1]["steps"] == [0]  # the second path breaks off
    assert not figure(BOWL)["layout"]["meta"]


def test_an_animation_of_nothing_can_be_drawn() -> None:
    flat = Contours("f", "F", Axis("x"), Axis("y"), [0, 1], [0, 1], np.full((2, 2), np.nan), "f")
    go.Figure(figure(replace(flat, frames=[0])))
