"""Specs: the places of what is drawn against the numbers given, and what a reader's choices change."""

import json
import math
from dataclasses import replace
from xml.etree import ElementTree

import numpy as np
import pytest
import vl_convert

from src.plots.chart import Axis, Chart, Heat, Level, Line, Picture, Points
from src.plots.files import alone
from src.plots.palette import CLASSES, CLOUD, COLOURS, MISSING, PAPER, assign_looks
from src.plots.spec import LABELLED, LINE_HEIGHT, numbers, round_between
from src.plots.vega import figure
from tests.plots.pictures import ALL, BOWL, CHART, HEAT, LOSSES, NASTY, PARALLEL, drawn, texts

SGD = COLOURS[0][0]
HEIGHT = 340


def _many(ends: list[float], **others: object) -> Chart:
    lines = [Line(f"number {index}", [0, 1], [1, end]) for index, end in enumerate(ends)]
    return Chart("c", "C", Axis("x"), Axis("y"), lines=lines, **others)  # type: ignore[arg-type]


@pytest.mark.parametrize("picture", ALL, ids=lambda picture: picture.name)
def test_json_holds_it_and_the_compiler_warns_of_nothing(picture: Picture, capfd: pytest.CaptureFixture[str]) -> None:
    spec = figure(picture)
    assert spec["width"] == "container"
    vl_convert.vegalite_to_vega(json.dumps(spec, allow_nan=False), show_warnings=True)
    assert capfd.readouterr() == ("", "")


def test_numbers_are_those_given_and_what_is_not_finite_is_left_out() -> None:
    assert numbers([1.0, math.nan, math.inf, 1 / 3, 1e-300]) == [1.0, None, None, 0.333333, 1e-300]


# --- charts ----------------------------------------------------------------------------------------------------------


def test_points_of_a_line_are_where_the_axes_say() -> None:
    spec = alone(CHART)
    low, high = np.log10(spec["usermeta"]["extents"]["y"]["log"])
    line = [one for one in drawn(spec, "line") if one["stroke"] == SGD]
    assert [one["y"] for one in line] == pytest.approx(HEIGHT * (high - np.log10(LOSSES)) / (high - low))
    across = np.diff([one["x"] for one in line])
    assert across[0] == pytest.approx(across[1])  # one decade each
    (theory,) = {tuple(one["strokeDash"]) for one in drawn(spec, "line") if one["stroke"] != SGD}
    assert theory == (6, 3)


def test_the_other_scale_is_the_one_that_a_page_sets() -> None:
    spec = alone(CHART)
    assert set(spec["usermeta"]["extents"]["y"]) == {"linear", "log"}
    low, high = spec["usermeta"]["extents"]["y"]["linear"]
    spec["encoding"]["y"]["scale"] |= {"type": "linear", "domain": [low, high]}
    line = [one["y"] for one in drawn(spec, "line") if one["stroke"] == SGD]
    assert line == pytest.approx(HEIGHT * (high - np.array(LOSSES)) / (high - low))


def test_a_line_breaks_and_a_band_ends_at_the_foot_where_the_axis_cannot_show_it() -> None:
    line = Line("a", [0, 1, 2, 3, 4], [1, math.nan, 0, 2, 3], [0.5] * 3 + [-1, 2], [4] * 5)
    picture = Chart("c", "C", Axis("x"), Axis("y", log=True), lines=[line])
    assert [one["defined"] for one in drawn(picture, "line")] == [True, False, False, True, True]
    foot = [one["y"] for one in drawn(picture, "area")]
    assert foot[3] == HEIGHT
    assert max(foot[0], foot[4]) < HEIGHT


def test_stairs_stay_level_and_a_line_may_have_no_marker() -> None:
    plain = replace(CHART, lines=[Line("a", [1, 2], [1, 2], stairs=True, markers=None)], points=[])
    assert {one["interpolate"] for one in drawn(plain, "line")} == {"step-after"}
    assert not drawn(plain, "symbol")
    in_a_page = drawn(figure(plain) | {"width": 500}, "symbol")
    assert [one["opacity"] for one in in_a_page] == [0, 0]  # to be hovered over


def test_stacked_areas_lie_upon_each_other() -> None:
    lines = [Line("a", [0, 1], [0.25, 0.5]), Line("b", [0, 1], [0.75, 0.5])]
    picture = Chart("c", "C", Axis("x"), Axis("y", limits=(0, 1)), lines=lines, stacked=True)
    edges = [(one["y"], one["y2"]) for one in drawn(picture, "area")]
    assert edges == [(340, 255), (340, 170), (255, 0), (170, 0)]
    assert [one["y"] for one in drawn(picture, "text") if "stroke" not in one] == [255, 85]  # each beside its area


def test_a_point_tells_its_run() -> None:
    (row, *_) = figure(CHART)["data"]["values"]
    assert (row["series"], row["run"]) == ("sgd", ["1", "2", "3"])
    assert {"flatten": ["x", "given", "foot", "high", "hover", "run", "dot"]} in figure(CHART)["transform"]


def test_all_that_belongs_to_a_series_is_hidden_with_it() -> None:
    def colours(**params: object) -> set[object]:
        kinds = ("line", "area", "symbol", "rule", "rect", "text")
        return {colour for kind in kinds for one in drawn(CHART, kind, **params) for colour in _paint(one)}

    assert SGD in colours()
    assert SGD not in colours(hidden=["sgd"])
    assert "critical" in texts(CHART)
    assert set(texts(CHART, hidden=["sgd"])) == {"exact", "theory"}


def _paint(item: dict[str, object]) -> set[object]:
    return {item[key] for key in ("fill", "stroke") if key in item}


def test_a_faded_series_is_a_thin_grey_line_without_a_name() -> None:
    line = drawn(CHART, "line", faded=["sgd"])
    assert {(one["stroke"], one["strokeWidth"]) for one in line} == {(CLOUD, 1), ("#1c2024", 2)}
    assert "sgd" not in texts(CHART, faded=["sgd"])
    assert not drawn(replace(CHART, regions=[]), "area", faded=["sgd"])


@pytest.mark.parametrize("ends", [[1.0] * 9, [0, 0, 0.01, 0.02, 3, 3, 3.01], [0.0, 1, 2, 3]])
def test_names_stand_where_lines_end_and_keep_apart(ends: list[float]) -> None:
    names = [one for one in drawn(_many(ends), "text") if "stroke" not in one]
    assert len(names) == min(LABELLED, len(ends))
    places = sorted(one["y"] for one in names)
    assert (np.diff(places) > LINE_HEIGHT - 1e-6).all()
    assert places[-1] <= HEIGHT
    spread = [one["y"] for one in drawn(_many([0.0, 1, 2, 3]), "text") if "stroke" not in one]
    low, high = alone(_many([0.0, 1, 2, 3]))["usermeta"]["extents"]["y"]["linear"]
    assert spread == pytest.approx([HEIGHT * (high - end) / (high - low) for end in (0, 1, 2, 3)])
    assert texts(_many(ends), labelled=2) == ["number 0", "number 1"]


def test_who_is_not_named_at_an_end_is_in_the_legend() -> None:
    spec = vl_convert.vegalite_to_vega(alone(_many([1.0] * 9)))
    (legend,) = spec["legends"]
    assert legend["values"] == ["number 7", "number 8"]
    assert "legends" not in vl_convert.vegalite_to_vega(figure(_many([1.0] * 9)))  # a page has its own


def test_names_of_levels_stand_in_rows_of_their_own() -> None:
    levels = [Level(name, at, "x") for name, at in (("one", 0.1), ("two", 0.11), ("three", 0.9), ("four", 0.91))]
    names = [
        one for one in drawn(_many([1.0], levels=levels), "text") if one["text"] in ("one", "two", "three", "four")
    ]
    assert sorted(np.diff(sorted(one["y"] for one in names))) == [LINE_HEIGHT] * 3
    assert {one["align"] for one in names if one["text"] in ("one", "two")} == {"left"}
    assert {one["align"] for one in names if one["text"] in ("three", "four")} == {"right"}


def test_a_level_beyond_the_axis_is_told_at_its_edge() -> None:
    picture = replace(CHART, levels=[Level("exact loss", 1e-20, "y"), Level("critical rate", 1e9, "x")])
    assert {"exact loss 1e-20 ↓", "critical rate 1e+9 →"} <= set(texts(picture))
    assert not list(drawn(replace(picture, regions=[]), "rule"))


def test_an_axis_of_names_has_them_all() -> None:
    names = [f"name {index}" for index in range(20)]
    picture = Chart("c", "C", Axis("x"), Axis("", limits=(-1, 20), names=names), points=[Points("p", [1], [0])])
    (axis,) = [one for one in vl_convert.vegalite_to_vega(alone(picture))["axes"] if one.get("values")]
    assert axis["values"] == list(range(20))
    assert axis["tickCount"] == 20
    svg = vl_convert.vegalite_to_svg(alone(picture))
    assert all(f">{name}</text>" in svg for name in names)


# --- matrices --------------------------------------------------------------------------------------------------------


def test_cells_that_were_lost_or_not_tried_differ_from_those_with_a_value() -> None:
    cells = drawn(HEAT, "rect")
    assert [one["fill"] for one in cells[:2]] == [MISSING, PAPER]
    colours = [one["fill"] for one in cells[2:]]
    assert len(colours) == 4
    assert not {MISSING, PAPER} & set(colours)
    assert colours[2] == colours[3]  # 100 and 1000, at the cap and above
    (cross,) = [one for one in drawn(HEAT, "text") if one["text"] == "×"]
    (ring,) = drawn(HEAT, "symbol")
    width = cells[0]["width"]
    assert (cross["x"], ring["x"]) == pytest.approx((1.5 * width, 0.5 * width))
    assert cross["y"] == ring["y"]
    svg = vl_convert.vegalite_to_svg(alone(HEAT))
    for told in ("× diverged · ○ best of its row · empty: no value", "100 and more"):
        assert told in svg


def test_values_with_names_have_a_colour_each() -> None:
    classes = (1.0, "better"), (0.0, "equal"), (-1.0, "worse")
    heat = Heat("h", "H", "x", "y", ["a", "b"], ["c", "d"], np.array([[1.0, 0], [-1, np.nan]]), "", classes=classes)
    assert [one["fill"] for one in drawn(heat, "rect")] == [PAPER, *CLASSES]
    assert ">worse</text>" in vl_convert.vegalite_to_svg(alone(heat))


@pytest.mark.parametrize(
    ("names", "alone", "angle"),
    [
        (["sgd", "adam"], False, None),
        (["momentum"] * 5, False, -40),
        (["momentum"] * 5, True, None),
        (["momentum"] * 9, False, -90),
        (["momentum"] * 10, True, -40),
    ],
)
def test_names_below_a_matrix_are_turned_where_they_would_overlap(
    names: list[str], alone: bool, angle: float | None
) -> None:
    number = len(names)
    heat = Heat("h", "H", "x", "y", names, names, np.zeros((number, number)), "", classes=[(0.0, "equal")])
    assert figure(heat, legend=alone)["encoding"]["x"]["axis"].get("labelAngle") == angle


def test_numbers_are_the_middles_of_their_cells() -> None:
    heat = Heat("h", "H", "x", "y", [0.0, 2.0, 6.0], [1.0, 2.0], np.ones((2, 3)), "z")
    cells = drawn(heat, "rect")
    assert [one["width"] / cells[0]["width"] for one in cells[:3]] == pytest.approx([1, 1.5, 2])
    assert cells[0]["y"] > cells[3]["y"]  # the first row is at the bottom


@pytest.mark.parametrize(
    ("low", "high", "found"),
    [(0.0, 0.99, [0.5]), (0.0, 1.0, [0.5]), (1.0, 9.0, [2.0, 4.0, 6.0, 8.0]), (-3.0, 5.0, [-2.0, 0.0, 2.0, 4.0])],
)
def test_round_numbers_between_ends(low: float, high: float, found: list[float]) -> None:
    assert round_between(low, high) == pytest.approx(found)


def test_ticks_are_powers_where_they_are_long_and_whole_where_numbers_are() -> None:
    chart = Chart("c", "C", Axis("x", whole=True), Axis("y", log=True), lines=[Line("a", [1, 2, 3], [1e-6, 1.0, 1e7])])
    svg = vl_convert.vegalite_to_svg(alone(chart))
    assert all(f">{tick}</text>" in svg for tick in ("1e-6", "0.01", "1e6", "1", "2", "3"))
    assert not any(f">{tick}</text>" in svg for tick in ("1.5", "1.0", "1000000", "0.000001"))


# --- surfaces --------------------------------------------------------------------------------------------------------


def test_a_unit_is_as_long_upwards_as_across_however_wide_the_page_is() -> None:
    for width in (300, 1200):
        spec = alone(BOWL) | {"width": width}
        star = drawn(spec, "symbol")[-1]
        start = next(one for one in drawn(spec, "line") if one.get("stroke") == SGD)
        assert start["x"] - star["x"] == pytest.approx(2 * (star["y"] - start["y"]))


def test_paths_are_drawn_up_to_a_step_and_a_marker_is_where_they_are_then() -> None:
    def seen(step: int) -> tuple[int, tuple[float, float]]:
        path = [one for one in drawn(BOWL, "line", step=step) if one.get("stroke") == SGD]
        (head,) = [one for one in drawn(BOWL, "symbol", step=step) if one["fill"] == SGD]
        assert (path[-1]["x"], path[-1]["y"]) == (head["x"], head["y"])
        return len(path), (head["x"], head["y"])

    assert [seen(step)[0] for step in (0, 4, 5, 10)] == [1, 1, 2, 3]
    assert seen(0)[1] == seen(4)[1] != seen(5)[1]


# --- settings --------------------------------------------------------------------------------------------------------


def test_settings_cross_the_axes_where_their_values_are() -> None:
    sgd, adam = figure(PARALLEL)["data"]["values"]
    assert sgd["places"] == [0.25, 0.5]
    assert adam["places"][0] == 0.75
    assert adam["places"][1] < 0
    assert {"sgd", "adam", "none", "0.0001", "0.01", "1", "optimizer", "rate"} <= set(texts(PARALLEL))
    assert (sgd["told"], adam["told"]) == ({"optimizer": "sgd", "rate": "0.01"}, {"optimizer": "adam"})


@pytest.mark.parametrize(
    ("name", "value", "lit"),
    [
        ("brush", {"at": [0.8, 1.1], "place": [0.4, 0.6]}, {SGD}),
        ("brush", {"at": [-0.1, 0.2], "place": [0.6, 0.9]}, {COLOURS[2][0]}),
        ("picked", {"id": [1]}, {COLOURS[2][0]}),
        ("brush", {}, {SGD, COLOURS[2][0]}),
    ],
)
def test_what_is_chosen_is_lit_with_its_curve(name: str, value: dict[str, object], lit: set[str]) -> None:
    vega = vl_convert.vegalite_to_vega(figure(PARALLEL) | {"width": 800})
    vega["signals"] = [{"name": name, "value": value} if one["name"] == name else one for one in vega["signals"]]
    lines = list(_lines(vl_convert.vega_to_scenegraph(vega)["scenegraph"]))
    assert {one["stroke"] for one in lines} == lit | {CLOUD}
    assert len(lines) == 8 + 4 * len(lit)  # of each setting two points here and two there


def _lines(node: dict[str, list[dict[str, str]]]) -> list[dict[str, str]]:
    own = node["items"] if node.get("marktype") == "line" else []
    return own + [one for child in node.get("items", ()) for one in _lines(child)]  # type: ignore[arg-type]


def test_a_name_looks_the_same_wherever_it_is() -> None:
    looks = assign_looks(["adam", "sgd"])
    for picture in (CHART, BOWL, PARALLEL):
        spec = figure(picture, looks)
        assert looks["sgd"].colour in json.dumps(spec)


@pytest.mark.parametrize("text", [NASTY, "$", "a_b", "x" * 120])
def test_a_text_is_shown_as_it_was_typed(text: str) -> None:
    levels = [Level(text, 0.5, "y"), Level(text, 0.5, "x")]
    chart = Chart("c", text, Axis(text), Axis(text), lines=[Line(text, [0, 1], [0, 1], hover=text)], levels=levels)
    shown = [one.text for one in ElementTree.fromstring(vl_convert.vegalite_to_svg(alone(chart))).iter() if one.text]
    words = [one for one in shown if not one.strip("\n").replace(".", "").isdigit()]
    assert len([one for one in words if text.startswith(one.removesuffix("…"))]) == 8  # outlines are texts too
    assert text in words or len(text) > 100
