"""Pictures as files."""

from pathlib import Path

import matplotlib as mpl

from src.plots.animation import save_animation
from src.plots.chart import Contours, Picture, series
from src.plots.palette import Looks, assign_looks
from src.plots.static import STYLE, figure


def save(picture: Picture, folder: Path, looks: Looks | None = None) -> list[Path]:
    """Write a picture into a folder: `NAME.png` and `NAME.svg`, of an animation `NAME.gif` and where it can be `.mp4`.

    Args:
        picture: its name is that of the files; an animation's PNG and SVG show its end.
        folder: made where it is not there.
        looks: of series, where other pictures have them too; by default those of this picture alone.

    Raises:
        OSError: a file cannot be written.
    """
    folder.mkdir(parents=True, exist_ok=True)
    looks = assign_looks(series([picture])) if looks is None else looks
    drawn = figure(picture, looks)
    files = [folder / f"{picture.name}.png", folder / f"{picture.name}.svg"]
    with mpl.rc_context(STYLE):
        drawn.savefig(files[0], dpi=160)
        drawn.savefig(files[1], metadata={"Date": None})
    if isinstance(picture, Contours) and picture.frames:
        files += save_animation(picture, folder, looks)
    return files
