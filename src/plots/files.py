"""Pictures as files, drawn from their specs by vl-convert, which needs neither a browser nor a network."""

import io
import json
from hashlib import blake2b
from importlib.metadata import version
from pathlib import Path

import numpy as np
import vl_convert
from numpy.typing import NDArray
from PIL import Image

from src.plots.animation import save_animation
from src.plots.chart import Contours, Picture, series
from src.plots.palette import Looks, assign_looks
from src.plots.spec import Spec
from src.plots.vega import figure

WIDTH = 820


def save(picture: Picture, folder: Path, looks: Looks | None = None) -> list[Path]:
    """Write a picture into a folder as `NAME.png` and `NAME.svg`, an animation also as `NAME.gif`.

    The SVG, which is written last, ends in a hash of what it was drawn from: what has not changed is not drawn again.

    Args:
        picture: its name is that of the files; an animation's PNG and SVG show its end.
        folder: made where it is not there.
        looks: of series, where other pictures have them too; by default those of this picture alone.

    Raises:
        OSError: a file cannot be written.
    """
    folder.mkdir(parents=True, exist_ok=True)
    looks = assign_looks(series([picture])) if looks is None else looks
    spec, moves = alone(picture, looks), isinstance(picture, Contours) and bool(picture.frames)
    files = [folder / f"{picture.name}.{kind}" for kind in ("png", "svg", *(["gif"] if moves else []))]
    drawn_from = f"{version('vl-convert-python')} {json.dumps(spec)}"
    of = f"\n<!-- {blake2b(drawn_from.encode(), digest_size=8).hexdigest()} -->\n"
    if all(path.is_file() for path in files) and files[1].read_text(encoding="utf-8", errors="ignore").endswith(of):
        return files
    drawn: str = vl_convert.vegalite_to_svg(spec)
    files[0].write_bytes(vl_convert.svg_to_png(drawn, scale=2))
    if isinstance(picture, Contours) and picture.frames:
        save_animation(picture, spec, files[2], looks)
    files[1].write_text(drawn + of, encoding="utf-8")
    return files


def svg(picture: Picture, looks: Looks | None = None) -> str:
    """A picture as the text of an SVG."""
    drawn: str = vl_convert.vegalite_to_svg(alone(picture, looks))
    return drawn


def png(picture: Picture, looks: Looks | None = None) -> bytes:
    """A picture as the bytes of a PNG."""
    drawn: bytes = vl_convert.svg_to_png(svg(picture, looks))
    return drawn


def pixels(picture: Picture) -> NDArray[np.uint8]:
    """A picture as `[H, W, 3]`."""
    return np.asarray(Image.open(io.BytesIO(png(picture))).convert("RGB"))


def alone(picture: Picture, looks: Looks | None = None) -> Spec:
    """The spec of a picture outside a page, which has a width, and its title and legend in it."""
    spec = figure(picture, looks, legend=True) | {"width": WIDTH, "title": picture.title, "padding": 12}
    if isinstance(picture, Contours):  # its window fills the picture, with a legend beside it
        (left, right), (low, high) = picture.window
        spec |= {"width": spec["height"] * (right - left) / (high - low), "autosize": "pad"}
    return spec
