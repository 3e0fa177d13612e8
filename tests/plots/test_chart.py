"""Pictures as data: which names are coloured, how far axes reach, and looks that can be distinguished."""

import itertools
import subprocess
import sys
from dataclasses import replace
from pathlib import Path as FilePath

import numpy as np
import pytest

from src.plots.chart import Axis, Chart, Contours, Heat, Level, Line, Path, Points, Region, series
from src.plots.contours import levels, visible
from src.plots.extent import extent
from src.plots.palette import COLOURS, DARK, PAPER, assign_looks

LOG = Axis("y", log=True, switch=True)


def test_data_alone_bring_no_plotting() -> None:
    heavy = "torch", "vl_convert", "PIL"
    code = f"import sys; import src.plots.chart; print([one for one in {heavy} if one in sys.modules])"
    shown = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout
    assert shown.strip() == "[]"


def test_series_are_what_was_measured_in_the_order_they_come() -> None:
    lines = [Line("sgd", [0], [1]), Line("theory", [0], [1], role="reference"), Line("adam", [0], [1])]
    points = [Points("rows", [0], [1], role="data"), Points("best", [0], [1])]
    chart = Chart("a", "A", Axis("x"), LOG, lines=lines, points=points)
    heat = Heat("h", "H", "x", "y", ["a"], ["b"], np.ones((1, 1)), "loss")
    ways = [Path("adam", [0], [0], [0]), Path("muon", [0], [0], [0])]
    surface = Contours("c", "C", Axis("x"), Axis("y"), [0, 1], [0, 1], np.zeros((2, 2)), "f", paths=ways)
    assert series([chart, heat, replace(surface, frames=[0])]) == ["sgd", "adam", "best", "muon"]


# --- looks -----------------------------------------------------------------------------------------------------------

# Machado, Oliveira and Fernandes 2009, severity 1: protanopia, deuteranopia, tritanopia
BLIND = np.array(
    [
        np.eye(3),
        [[0.152286, 1.052583, -0.204868], [0.114503, 0.786281, 0.099216], [-0.003882, -0.048116, 1.051998]],
        [[0.367322, 0.860646, -0.227968], [0.280085, 0.672501, 0.047413], [-0.011820, 0.042940, 0.968881]],
        [[1.255528, -0.076749, -0.178779], [-0.078411, 0.930809, 0.147602], [0.004733, 0.691367, 0.303900]],
    ]
)


def _linear(colour: str) -> np.ndarray:
    channels = np.array([int(colour[i : i + 2], 16) for i in (1, 3, 5)]) / 255
    return np.where(channels <= 0.04045, channels / 12.92, ((channels + 0.055) / 1.055) ** 2.4)


def _lab(rgb: np.ndarray) -> np.ndarray:
    """CIE 1976 L*a*b* of linear sRGB, D65."""
    to_xyz = [[0.4124564, 0.3575761, 0.1804375], [0.2126729, 0.7151522, 0.0721750], [0.0193339, 0.1191920, 0.9503041]]
    xyz = np.clip(rgb, 0, 1) @ np.array(to_xyz).T / [0.95047, 1, 1.08883]
    f = np.where(xyz > 216 / 24389, np.cbrt(xyz), (24389 / 27 * xyz + 16) / 116)
    return np.stack([116 * f[..., 1] - 16, 500 * (f[..., 0] - f[..., 1]), 200 * (f[..., 1] - f[..., 2])], -1)


@pytest.mark.parametrize("side", [0, 1], ids=["light", "dark"])
def test_colours_are_told_apart_by_the_colour_blind(side: int) -> None:
    seen = [_lab(BLIND @ _linear(pair[side])) for pair in COLOURS]
    assert min(np.linalg.norm(a - b, axis=1).min() for a, b in itertools.combinations(seen, 2)) > 16


@pytest.mark.parametrize(("side", "paper"), [(0, PAPER), (1, DARK[PAPER])], ids=["light", "dark"])
def test_colours_stand_out_as_the_web_guidelines_ask(side: int, paper: str) -> None:
    """WCAG 2.2, success criterion 1.4.11: graphics at 3:1."""
    for pair in COLOURS:
        low, high = sorted(float(_linear(one) @ [0.2126, 0.7152, 0.0722]) for one in (pair[side], paper))
        assert (high + 0.05) / (low + 0.05) >= 3


def test_no_two_of_seventy_look_alike_even_without_colour() -> None:
    looks = assign_looks(["adam [mine]", "adam (beta 0.5)", *(str(index) for index in range(68))])
    assert len({(look.colour, look.shape, look.strokes) for look in looks.values()}) == 70
    assert len({look.shape for look in list(looks.values())[:8]}) == 8


def test_an_optimizer_looks_the_same_on_every_page() -> None:
    together = assign_looks(["mine", *sorted(path.stem for path in FilePath("conf/optimizer").glob("*.yaml"))])
    assert len(set(together.values())) == len(together)
    for name in set(together) - {"mine"}:
        assert assign_looks(["other", f"{name} (lr 0.1)", f"{name} (lr 0.2)"])[f"{name} (lr 0.1)"] == together[name]


# --- how far axes reach ----------------------------------------------------------------------------------------------


def test_axis_holds_lines_bands_points_and_near_levels() -> None:
    line = Line("a", [1, 100], [1.0, 10.0], low=[0.5, 5.0], high=[2.0, 20.0])
    near, far = Level("near", 0.2, "y"), Level("far", 1e-12, "y")
    chart = Chart("c", "C", Axis("x"), LOG, lines=[line], points=[Points("p", [50], [15])], levels=[near, far])
    low, high = extent(chart, "y", log=True)
    pad = 0.05 * (np.log10(20) - np.log10(0.2))
    assert (np.log10(low), np.log10(high)) == pytest.approx((np.log10(0.2) - pad, np.log10(20) + pad))
    assert extent(chart, "x", log=False) == pytest.approx((1 - 0.02 * 99, 100 + 0.02 * 99))


@pytest.mark.parametrize("values", [[], [np.nan], [0.0], [-1.0], [np.inf, 5.0], [1e-300, 1e300 / 2], [3.0]])
@pytest.mark.parametrize("log", [False, True])
def test_axis_has_two_ends_whatever_is_on_it(values: list[float], log: bool) -> None:
    chart = Chart("c", "C", Axis("x"), LOG, lines=[Line("a", list(range(len(values))), values)])
    low, high = extent(chart, "y", log)
    assert np.isfinite([low, high]).all()
    assert low < high
    assert not log or low > 0


def test_limits_are_kept_where_the_scale_can_show_them() -> None:
    chart = Chart("c", "C", Axis("x", limits=(0, 5)), LOG, lines=[Line("a", [1, 2], [1, 2])])
    assert extent(chart, "x", log=False) == (0, 5)
    assert extent(chart, "x", log=True)[0] > 0


def test_region_is_on_the_axis() -> None:
    chart = Chart("c", "C", Axis("x"), LOG, lines=[Line("a", [1], [1])], regions=[Region("diverged", 10, None, "a")])
    assert extent(chart, "x", log=True)[1] > 10


# --- surfaces --------------------------------------------------------------------------------------------------------


def _bowl() -> Contours:
    grid = np.linspace(-1, 1, 21)
    heights = grid[:, None] ** 2 + grid**2
    return Contours("bowl", "Bowl", Axis("x"), Axis("y"), grid, grid, heights, "f")


def test_levels_ascend_from_the_lowest_to_the_highest() -> None:
    edges = levels(_bowl().heights)
    assert (np.diff(edges) > 0).all()
    assert (edges[0], edges[-1]) == pytest.approx((0, 2))
    ratio = np.diff(np.log(edges[1:]))
    assert ratio == pytest.approx(np.full(len(ratio), ratio[0]))


def test_path_ends_where_it_leaves_or_breaks() -> None:
    x = [0, 1, np.nan, 0, 0]
    steps, seen, _ = visible(Path("a", [0, 1, 2, 3, 4], x, [0.0] * 5), _bowl())
    assert steps.tolist() == [0, 1]
    assert seen.tolist() == [0, 1]
    for far in (1e3, 1e30):  # 3.5 times as far from the middle as the window is wide
        steps, across, upwards = visible(Path("a", [0, 1, 2], [0, far, 0], [0, far / 2, 0]), _bowl())
        assert steps.tolist() == [0, 1]
        assert [*across, *upwards] == pytest.approx([0, 7, 0, 3.5])
    assert visible(Path("a", [0, 1], [0, np.inf], [0, 0]), _bowl())[0].tolist() == [0]
