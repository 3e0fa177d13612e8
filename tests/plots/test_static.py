"""Pictures as files: what matplotlib is given to draw, and what is written."""

from dataclasses import replace
from pathlib import Path as FilePath
from xml.etree import ElementTree

import numpy as np
import pytest
from matplotlib.colors import to_hex
from PIL import Image

from src.plots import animation
from src.plots.chart import Axis, Chart, Contours, Heat, Level, Line, Path, Picture, Points, Region
from src.plots.files import save
from src.plots.palette import assign_looks
from src.plots.static import figure

NASTY = "_$x^2$ <b>&amp; λ"
RATES, LOSSES = [0.001, 0.01, 0.1], [3.0, 1.0, 2.0]
CHART = Chart(
    "rates",
    "Rates",
    Axis("learning rate", log=True),
    Axis("loss", log=True),
    lines=[
        Line("sgd", RATES, LOSSES, low=[2.0, 0.0, 1.0], high=[4.0, 2.0, 3.0], markers=True),
        Line("theory", RATES, [1.0, 1.0, 1.0], role="reference"),
    ],
    points=[Points("best", [0.01], [1.0])],
    levels=[Level("critical", 0.05, "x"), Level("exact", 0.9, "y")],
    regions=[Region("sgd diverged", 0.08, None, of="sgd")],
)
HEAT = Heat(
    "heat", "Heat", "rate", "optimizer", ["a", "b"], ["c", NASTY], np.array([[1, np.nan], [0, 100.0]]), "z", True
)
GRID = np.linspace(-1.0, 1.0, 11)
BOWL = Contours(
    "bowl",
    "Bowl",
    Axis("x"),
    Axis("y"),
    GRID,
    GRID,
    GRID[:, None] ** 2 + GRID**2,
    "f",
    paths=[Path("sgd", [0, 5, 10], [1.0, 0.5, 0.0], [1.0, 0.5, 0.0]), Path(NASTY, [0, 5], [1.0, np.nan], [1.0, 0.0])],
    points=[Points("minimum", [0.0], [0.0], role="star")],
)
RACE = replace(BOWL, frames=[0, 5, 10])


def test_an_axis_of_names() -> None:
    chart = Chart("c", "C", Axis("x"), Axis("", limits=(-1, 2), names=["a", "b"]), points=[Points("p", [1], [0])])
    (axes,) = figure(chart).axes
    assert [text.get_text() for text in axes.get_yticklabels()] == ["a", "b"]
    assert axes.get_ylim() == (-1, 2)


def test_lines_are_the_numbers_they_were_given() -> None:
    (axes,) = figure(CHART).axes
    drawn = {str(line.get_label()): line for line in axes.lines}
    assert np.asarray(drawn["sgd"].get_ydata()).tolist() == LOSSES
    assert np.asarray(drawn["sgd"].get_xdata()).tolist() == RATES
    assert [drawn[name].is_dashed() for name in ("sgd", "theory")] == [False, True]
    assert (axes.get_xscale(), axes.get_yscale()) == ("log", "log")
    assert {text.get_text() for text in axes.texts} == {"critical", "exact"}
    assert axes.get_legend() is not None
    assert [text.get_text() for text in axes.get_legend().get_texts()] == ["best", "sgd", "theory"]  # type: ignore[union-attr]


def test_a_level_beyond_the_axis_is_in_the_legend_with_its_value() -> None:
    level = Level("exact loss", 1e-20, "y")
    (axes,) = figure(replace(CHART, levels=[level])).axes
    assert axes.get_ylim()[0] > 1e-20
    legend = axes.get_legend()
    assert legend is not None
    assert "exact loss: 1e-20, beyond the axis" in [text.get_text() for text in legend.get_texts()]
    assert not axes.texts


def test_a_band_that_reaches_zero_goes_down_to_the_edge_of_a_logarithmic_axis() -> None:
    (axes,) = figure(CHART).axes
    (band,) = axes.collections[1:]
    low = band.get_paths()[0].vertices[:, 1].min()  # type: ignore[index, union-attr]
    assert low == pytest.approx(axes.get_ylim()[0])


def test_a_name_looks_the_same_wherever_it_is() -> None:
    looks = assign_looks(["adam", "sgd"])
    (chart,), (map_,) = figure(CHART, looks).axes, figure(BOWL, looks).axes
    for axes in (chart, map_):
        (line,) = [line for line in axes.lines if line.get_label() == "sgd"]
        assert to_hex(line.get_color()) == looks["sgd"].colour


def test_missing_cells_are_crossed_and_have_no_colour() -> None:
    axes, bar = figure(HEAT).axes
    (mesh,) = [one for one in axes.collections if one.get_array() is not None]
    assert np.ma.masked_invalid(np.ma.asarray(mesh.get_array())).mask.tolist() == [[False, True], [True, False]]
    (crosses,) = axes.lines
    assert np.asarray(crosses.get_xydata()).tolist() == [[1, 0], [0, 1]]
    assert bar.get_yscale() == "log"
    assert axes.get_ylim()[0] > axes.get_ylim()[1]  # the first row is at the top


@pytest.mark.parametrize("picture", [CHART, HEAT, BOWL, RACE], ids=lambda picture: type(picture).__name__)
def test_files_are_pictures_and_the_same_each_time(picture: Picture, tmp_path: FilePath) -> None:
    files = save(picture, tmp_path / "one")
    assert {path.name for path in files} >= {f"{picture.name}.png", f"{picture.name}.svg"}
    for path in files:
        if path.suffix == ".png":
            assert min(Image.open(path).size) > 300
        if path.suffix == ".svg":
            assert ElementTree.parse(path).getroot().tag.endswith("svg")
    again = save(picture, tmp_path / "two")
    assert [path.read_bytes() for path in files[:2]] == [path.read_bytes() for path in again[:2]]


@pytest.mark.parametrize("text", [NASTY, "$", "$$", "a_b", r"\frac{1}{2}", "$\\bad$"])
def test_a_name_is_shown_as_it_was_typed(text: str, tmp_path: FilePath) -> None:
    chart = Chart("c", text, Axis(text), Axis(text), lines=[Line(text, [0, 1], [0, 1])], levels=[Level(text, 0.5, "y")])
    (axes,) = figure(chart).axes
    (name,) = axes.get_legend().get_texts()  # type: ignore[union-attr]
    assert name.get_text().replace(r"\$", "$").strip() == text
    assert save(chart, tmp_path)


# --- moving ones -----------------------------------------------------------------------------------------------------


def test_gif_has_a_frame_for_every_step(tmp_path: FilePath) -> None:
    (gif,) = [path for path in save(RACE, tmp_path) if path.suffix == ".gif"]
    with Image.open(gif) as image:
        assert image.n_frames == 3  # type: ignore[attr-defined]


def test_frames_differ_in_nothing_but_the_paths() -> None:
    first, second, third = animation.images(RACE, assign_looks(["sgd", NASTY]))
    assert all(side % 2 == 0 for side in first.shape[:2])
    assert (first != second).any()
    assert (second != third).any()
    assert (first == third).mean() > 0.9


def test_film_is_left_out_where_there_is_no_ffmpeg(tmp_path: FilePath, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(animation.shutil, "which", lambda name: None)
    assert {path.suffix for path in save(RACE, tmp_path)} == {".png", ".svg", ".gif"}


def test_film_is_asked_of_ffmpeg_and_a_half_one_is_taken_away(
    tmp_path: FilePath, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A stand-in that takes every byte of every frame, writes its file and says how it ended."""
    for status in (0, 1):
        ffmpeg = tmp_path / f"ffmpeg{status}"
        ffmpeg.write_text(f'#!/bin/sh\nfor last; do :; done\nwc -c > "$last"\nexit {status}\n', encoding="utf-8")
        ffmpeg.chmod(0o755)
        monkeypatch.setattr(animation.shutil, "which", lambda name, path=str(ffmpeg): path)
        folder = tmp_path / str(status)
        films = [path for path in save(RACE, folder) if path.suffix == ".mp4"]
        assert [film.name for film in films] == ([] if status else ["bowl.mp4"])
        assert (folder / "bowl.mp4").exists() is not bool(status)
    height, width, channels = next(animation.images(RACE, assign_looks(["sgd", NASTY]))).shape
    held = round(animation.LAST_SECONDS / animation.FRAME_SECONDS)
    assert int((tmp_path / "0" / "bowl.mp4").read_text()) == (3 + held) * height * width * channels
