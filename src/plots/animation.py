"""An animation as a GIF, and as an MP4 where ffmpeg is there.

Not by matplotlib's writers: they draw the whole figure for each frame, and their GIF has other colours in each, which
for a race of 77 frames takes 16 s and 1.3 MB; here the ground is drawn once and the colours are shared: 1.4 s, 0.6 MB.
"""

import shutil
import subprocess
from collections.abc import Iterator, Sequence
from pathlib import Path

import matplotlib as mpl
import numpy as np
from matplotlib.backends.backend_agg import FigureCanvasAgg
from numpy.typing import NDArray
from PIL import Image

from src.plots.chart import Contours
from src.plots.palette import PAPER, Looks
from src.plots.static import STYLE, draw_paths, ground, legend

FRAME_SECONDS = 0.06
LAST_SECONDS = 2.5
BEHIND = {"facecolor": PAPER, "alpha": 0.8, "edgecolor": "none", "pad": 2}


def save_animation(contours: Contours, folder: Path, looks: Looks) -> list[Path]:
    """Write `NAME.gif`, and `NAME.mp4` where it can be; returns which.

    Raises:
        OSError: the GIF cannot be written.
    """
    frames = list(images(contours, looks))
    gif, film = folder / f"{contours.name}.gif", folder / f"{contours.name}.mp4"
    # the end has all colours; frames that share them differ in few points, which makes a small file
    colours = Image.fromarray(frames[-1]).quantize(128, dither=Image.Dither.NONE)
    pictures = [Image.fromarray(frame).quantize(palette=colours, dither=Image.Dither.NONE) for frame in frames]
    lasting = [round(1000 * FRAME_SECONDS)] * (len(frames) - 1) + [round(1000 * LAST_SECONDS)]
    pictures[0].save(gif, save_all=True, append_images=pictures[1:], duration=lasting, loop=0, optimize=False)
    return [gif, film] if _film(frames, film) else [gif]


def images(contours: Contours, looks: Looks) -> Iterator[NDArray[np.uint8]]:
    """Each frame as `[height, width, 3]` with even sides."""
    with mpl.rc_context(STYLE):
        drawn, axes = ground(contours)
        drawn.set_dpi(90)
        move = draw_paths(axes, contours, looks)
        label = axes.text(0.99, 0.98, "", ha="right", va="top", transform=axes.transAxes, bbox=BEHIND)
        speed = (contours.frames[-1] - contours.frames[0]) / max(1, len(contours.frames) - 1) / FRAME_SECONDS
        legend(axes)
        canvas = drawn.canvas
        assert isinstance(canvas, FigureCanvasAgg)
        canvas.draw()
        drawn.set_layout_engine("none")
        behind = canvas.copy_from_bbox(drawn.bbox)
        for step in contours.frames:
            canvas.restore_region(behind)
            label.set_text(f"step {step:,}, {speed:,.0f} a second")
            for artist in (*move(step), label):
                axes.draw_artist(artist)
            image = np.asarray(canvas.buffer_rgba())[..., :3]
            yield image[: len(image) // 2 * 2, : image.shape[1] // 2 * 2].copy()


def _film(frames: Sequence[NDArray[np.uint8]], path: Path) -> bool:
    """Write an MP4 where ffmpeg is there and can; the last frame is held as long as in the GIF."""
    ffmpeg = shutil.which("ffmpeg")
    if ffmpeg is None:
        return False
    height, width = frames[0].shape[:2]
    source = ["-f", "rawvideo", "-pix_fmt", "rgb24", "-s", f"{width}x{height}", "-r", f"{1 / FRAME_SECONDS:.4f}"]
    target = ["-c:v", "libx264", "-pix_fmt", "yuv420p", "-movflags", "+faststart", str(path)]
    held = [*frames, *[frames[-1]] * round(LAST_SECONDS / FRAME_SECONDS)]
    command = [ffmpeg, "-y", "-loglevel", "error", *source, "-i", "-", *target]
    done = subprocess.run(command, input=b"".join(frame.tobytes() for frame in held), capture_output=True, check=False)
    if done.returncode:
        path.unlink(missing_ok=True)
    return done.returncode == 0
