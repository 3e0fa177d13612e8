"""An animation as a GIF: the ground is drawn once, as every picture is, and the paths are drawn onto it by Pillow."""

import re
from collections.abc import Iterator
from io import BytesIO
from itertools import pairwise
from pathlib import Path

import numpy as np
import vl_convert
from PIL import Image, ImageDraw, ImageFont

from src.plots.chart import Contours
from src.plots.contours import visible
from src.plots.palette import FAINT, NEUTRAL, PAPER, Looks
from src.plots.spec import Spec

FRAME_MILLISECONDS, LAST_MILLISECONDS = 60, 2500
FINER = 2
"""Times as fine as it is shown, so that lines have smooth edges."""


def save_animation(contours: Contours, spec: Spec, path: Path, looks: Looks) -> None:
    """Write a GIF.

    Args:
        contours: with frames.
        spec: of its picture alone.
        path: of the file.
        looks: of its paths.

    Raises:
        OSError: it cannot be written.
    """
    frames = list(images(contours, spec, looks))
    # the end has all colours; frames that share them differ in few points, which makes a small file
    colours = frames[-1].quantize(128, dither=Image.Dither.NONE)
    first, *others = [frame.quantize(palette=colours, dither=Image.Dither.NONE) for frame in frames]
    lasting = [FRAME_MILLISECONDS] * len(others) + [LAST_MILLISECONDS]
    first.save(path, save_all=True, append_images=others, duration=lasting, loop=0, optimize=True)


def images(contours: Contours, spec: Spec, looks: Looks) -> Iterator[Image.Image]:
    """A picture a frame."""
    before = [one | {"value": -1} if one["name"] == "step" else one for one in spec["params"]]
    svg = vl_convert.vegalite_to_svg(spec | {"params": before})
    ground = Image.open(BytesIO(vl_convert.svg_to_png(svg, scale=FINER))).convert("RGB")
    (left, right), (low, high) = contours.window
    place = re.search(r"translate\(([\d.]+),([\d.]+)\)", svg)
    assert place is not None
    x, y = (round(FINER * float(one)) for one in place.groups())
    each = FINER * spec["height"] / (high - low)
    inside = ground.crop((x, y, x + round(each * (right - left)), y + round(each * (high - low))))
    trails = []
    for path in contours.paths:
        steps, across, upwards = visible(path, contours)
        points = np.column_stack([(across - left) * each, (high - upwards) * each]).tolist()
        trails.append((looks.get(path.name, NEUTRAL).colour, steps, [(px, py) for px, py in points]))
    font = ImageFont.load_default(11.0 * FINER)
    pen = ImageDraw.Draw(inside)
    for last, step in pairwise([-1, *contours.frames]):
        for colour, steps, points in trails:
            seen, until = np.searchsorted(steps, [last, step], side="right").tolist()
            new = points[max(0, seen - 1) : until]
            if len(new) > 1:
                pen.line(new, fill=colour, width=2 * FINER, joint="curve")
        frame, moved = ground.copy(), inside.copy()
        marks = ImageDraw.Draw(moved)
        for colour, steps, points in trails:
            if until := int(np.searchsorted(steps, step, side="right")):
                marks.circle(points[until - 1], 5 * FINER, fill=colour, outline=PAPER, width=FINER)
        frame.paste(moved, (x, y))
        ImageDraw.Draw(frame).text((frame.width - 12 * FINER, 14 * FINER), f"step {step:,}", FAINT, font, anchor="ra")
        yield frame.reduce(FINER)
