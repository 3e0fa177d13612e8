"""Pictures as files."""

from pathlib import Path

import matplotlib as mpl

from src.plots.chart import Animation, Picture, series
from src.plots.moving import save_moving
from src.plots.palette import Looks, looks
from src.plots.static import STYLE, figure


def save(picture: Picture, folder: Path, known: Looks | None = None) -> list[Path]:
    """Write a picture into a folder: `NAME.png` and `NAME.svg`, of an animation `NAME.gif` and where it can be `.mp4`.

    Args:
        picture: its name is that of the files; an animation's PNG and SVG show its end.
        folder: made where it is not there.
        known: looks of series, where other pictures have them too; by default this one's own.

    Raises:
        OSError: a file cannot be written.
    """
    folder.mkdir(parents=True, exist_ok=True)
    known = looks(series([picture])) if known is None else known
    drawn = figure(picture, known)
    files = [folder / f"{picture.name}.png", folder / f"{picture.name}.svg"]
    with mpl.rc_context(STYLE):
        drawn.savefig(files[0], dpi=160)
        drawn.savefig(files[1], metadata={"Date": None})
    if isinstance(picture, Animation):
        files += save_moving(picture, folder, known)
    return files
