"""An animation as a GIF, and as an MP4 where ffmpeg is there."""

import shutil
import subprocess
from collections.abc import Iterator, Sequence
from contextlib import suppress
from pathlib import Path

import matplotlib as mpl
import numpy as np
from matplotlib.backends.backend_agg import FigureCanvasAgg
from numpy.typing import NDArray

from src.plots.chart import Animation
from src.plots.contours import visible
from src.plots.palette import NEUTRAL, Looks
from src.plots.static import STYLE, ground, legend, way

FRAME_SECONDS = 0.06
LAST_SECONDS = 2.5


def save_moving(animation: Animation, folder: Path, known: Looks) -> list[Path]:
    """Write `NAME.gif`, and `NAME.mp4` where it can be; returns which."""
    from PIL import Image

    frames = list(images(animation, known))
    gif = folder / f"{animation.name}.gif"
    # the end has all colours; frames that share them differ in few points, which makes a small file
    colours = Image.fromarray(frames[-1]).quantize(128, dither=Image.Dither.NONE)
    pictures = [Image.fromarray(frame).quantize(palette=colours, dither=Image.Dither.NONE) for frame in frames]
    lasting = [round(1000 * FRAME_SECONDS)] * (len(frames) - 1) + [round(1000 * LAST_SECONDS)]
    pictures[0].save(gif, save_all=True, append_images=pictures[1:], duration=lasting, loop=0, optimize=False)
    film = folder / f"{animation.name}.mp4"
    return [gif, film] if _film(frames, film) else [gif]


def images(animation: Animation, known: Looks) -> Iterator[NDArray[np.uint8]]:
    """Each frame as `[height, width, 3]` with even sides; the ground is drawn once."""
    contours = animation.contours
    with mpl.rc_context(STYLE):
        drawn, axes = ground(contours)
        drawn.set_dpi(90)
        ways = [way(axes, path, known.get(path.name, NEUTRAL)) for path in contours.paths]
        heads = [axes.plot([], [], "o", markersize=7, markeredgecolor="white")[0] for _ in ways]
        told = axes.text(0.99, 0.98, "", ha="right", va="top", transform=axes.transAxes)
        legend(axes)
        canvas = drawn.canvas
        assert isinstance(canvas, FigureCanvasAgg)
        canvas.draw()
        drawn.set_layout_engine("none")
        behind = canvas.copy_from_bbox(drawn.bbox)
        moving = [(visible(path, contours), known.get(path.name, NEUTRAL)) for path in contours.paths]
        for step in animation.frames:
            canvas.restore_region(behind)
            for ((steps, x, y), look), trail, head in zip(moving, ways, heads, strict=True):
                until = int(np.searchsorted(steps, step, side="right"))
                trail.set_data(x[:until], y[:until])
                head.set_data(x[max(until - 1, 0) : until], y[max(until - 1, 0) : until])
                head.set(color=look.colour, marker=look.marker[1], markeredgecolor="white")
                axes.draw_artist(trail)
                axes.draw_artist(head)
            told.set_text(f"step {step:,}")
            axes.draw_artist(told)
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
        with suppress(OSError):
            path.unlink()
    return done.returncode == 0
