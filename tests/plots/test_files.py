"""Pictures as files: what is written, and that there is ink where the numbers say."""

import io
import itertools
from dataclasses import replace
from pathlib import Path
from xml.etree import ElementTree

import numpy as np
import vl_convert
from numpy.typing import NDArray
from PIL import Image, ImageColor

from src.plots.animation import images
from src.plots.chart import Axis, Contours
from src.plots.contours import levels
from src.plots.files import alone, png, save
from src.plots.palette import COLOURS, TERRAIN, assign_looks
from src.plots.script import script
from tests.plots.pictures import BOWL, CHART, HEAT, drawn


def test_files_are_pictures_and_the_same_each_time(tmp_path: Path) -> None:
    files = save(HEAT, tmp_path / "one")
    assert [path.name for path in files] == ["heat.png", "heat.svg"]
    assert min(Image.open(files[0]).size) > 200
    assert files[0].read_bytes() == save(HEAT, tmp_path / "two")[0].read_bytes()
    assert ElementTree.parse(files[1]).getroot().tag.endswith("svg")
    files[0].write_bytes(b"as it was")
    save(HEAT, tmp_path / "one")
    assert files[0].read_bytes() == b"as it was"  # for nothing has changed
    save(replace(HEAT, title="Another"), tmp_path / "one")
    assert min(Image.open(files[0]).size) > 200


def _pixels(data: bytes) -> NDArray[np.int64]:
    return np.asarray(Image.open(io.BytesIO(data)).convert("RGB"), dtype=np.int64)


def _is(pixels: NDArray[np.int64], colour: str) -> NDArray[np.bool_]:
    return np.asarray(np.abs(pixels - ImageColor.getrgb(colour)[:3]).sum(-1) < 40)


def test_there_is_ink_where_a_line_goes() -> None:
    origin = vl_convert.vegalite_to_scenegraph(alone(CHART))["origin"]
    pixels, line = _pixels(png(CHART)), [one for one in drawn(CHART, "line") if one["stroke"] == COLOURS[0][0]]
    for one, other in itertools.pairwise(line):
        x, y = ((one[of] + other[of]) / 2 + start for of, start in zip("xy", origin, strict=True))
        near = pixels[round(y) - 1 : round(y) + 2, round(x) - 1 : round(x) + 2]
        assert _is(near, COLOURS[0][0]).any()
        assert not _is(pixels[round(y) - 12 : round(y) - 8, round(x) - 2 : round(x) + 2], COLOURS[0][0]).any()


def test_the_ground_is_coloured_by_height_in_basins_and_on_peaks() -> None:
    """A crater: low in the middle, a rim, low outside, with a peak within the basin."""
    grid = np.linspace(-1, 1, 81)
    away = np.hypot(*np.meshgrid(grid, grid))
    heights = np.cos(3 * np.pi * away) + 0.3 * away
    picture = Contours("c", "C", Axis("x"), Axis("y"), grid, grid, heights, "f")
    spec = alone(picture)
    (left, top), side = vl_convert.vegalite_to_scenegraph(spec)["origin"], spec["height"]
    pixels, edges = _pixels(png(picture)), levels(heights)
    bands = np.clip(np.searchsorted(edges, heights[4::8, 4::8], side="right") - 1, 0, len(edges) - 2)
    places = (0.5 + np.arange(4, 81, 8) / 80 * (side - 1)).astype(int)
    seen = pixels[top + side - 1 - places[:, None], left + places[None, :]]
    stops = np.linspace(0, len(edges) - 2, len(TERRAIN))
    channels = np.array([ImageColor.getrgb(colour) for colour in TERRAIN])
    due = np.stack([np.interp(bands, stops, channels[:, index]) for index in range(3)], -1)
    off = np.abs(seen - due).sum(-1)
    assert np.median(off) < 6
    assert (off < 25).mean() >= 0.75  # the others lie on a line


def test_frames_show_the_paths_so_far_and_are_otherwise_alike() -> None:
    first, second, third = (np.asarray(one) for one in images(BOWL, alone(BOWL), assign_looks(["sgd"])))
    blue = [_is(one.astype(np.int64), COLOURS[0][0]).sum() for one in (first, second, third)]
    assert 0 < blue[0] < blue[1] < blue[2]
    assert (first == third).all(-1).mean() > 0.95


def test_gif_has_a_frame_for_every_step(tmp_path: Path) -> None:
    _png, _svg, gif = save(replace(BOWL, frames=[0, 2, 5, 10]), tmp_path)
    with Image.open(gif) as image:
        assert image.n_frames == 4  # type: ignore[attr-defined]


def test_the_script_of_a_page_asks_nothing_of_a_network() -> None:
    bundle = script()
    assert "vegaEmbed" in bundle
    assert "import(" not in bundle
    assert "importScripts" not in bundle
