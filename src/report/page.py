"""The page: findings as one HTML file that asks nothing of any network, and their pictures as files beside it."""

import json
from collections.abc import Iterator
from dataclasses import dataclass
from functools import partial
from importlib.resources import files
from itertools import cycle
from pathlib import Path
from typing import Any

from jinja2 import Environment, FunctionLoader, StrictUndefined

from src.errors import LabError, unwritable
from src.plots.chart import Chart, Contours, Heat, Parallel, Picture, series
from src.plots.extent import level_label
from src.plots.interactive import figure
from src.plots.palette import CLOUD, DARK, REFERENCE_DASHES, Looks, assign_looks
from src.report.findings import Findings

FOLDER = "pictures"
# of each of plotly's symbols, around 0
_MARKERS = {
    "circle": "M-4 0a4 4 0 1 0 8 0a4 4 0 1 0 -8 0",
    "square": "M-3.6 -3.6h7.2v7.2h-7.2z",
    "triangle-up": "M0 -4.6L4.6 3.6H-4.6z",
    "triangle-down": "M0 4.6L4.6 -3.6H-4.6z",
    "diamond": "M0 -5L5 0L0 5L-5 0z",
    "x": "M-4 -2.2L-2.2 -4L0 -1.8L2.2 -4L4 -2.2L1.8 0L4 2.2L2.2 4L0 1.8L-2.2 4L-4 2.2L-1.8 0z",
    "cross": "M-1.4 -4.6h2.8v3.2h3.2v2.8h-3.2v3.2h-2.8v-3.2h-3.2v-2.8h3.2z",
    "pentagon": "M0 -4.6L4.6 -1.2L2.9 4H-2.9L-4.6 -1.2z",
    "star": "M0 -5.4L1.5 -1.7L5.2 -1.7L2.2 0.6L3.3 4.4L0 2.2L-3.3 4.4L-2.2 0.6L-5.2 -1.7L-1.5 -1.7z",
    "ring": "M-5 0a5 5 0 1 0 10 0a5 5 0 1 0 -10 0M-3.4 0a3.4 3.4 0 1 1 6.8 0a3.4 3.4 0 1 1 -6.8 0",
    "cross-thin": "M-4.5 -3.4L-3.4 -4.5L0 -1.1L3.4 -4.5L4.5 -3.4L1.1 0L4.5 3.4L3.4 4.5L0 1.1L-3.4 4.5L-4.5 3.4L-1.1 0z",
}
_DASHES = {"solid": "", "dash": "9 5", "dot": "3 3", "dashdot": "8 3 3 3"}


@dataclass(frozen=True)
class Entry:
    """A line of a legend.

    Attributes:
        name: what is written.
        series: whether a click hides it.
        colour: on white; empty for the colour of text.
        dark: on black.
        dash: of an SVG stroke; None for no line.
        marker: a path of SVG around 0; empty for none.
    """

    name: str
    series: bool
    colour: str = ""
    dark: str = ""
    dash: str | None = None
    marker: str = ""


def write(findings: Findings, out: Path) -> list[Path]:
    """Write the page, and its pictures into the folder `pictures` beside it.

    Args:
        findings: what there is to tell.
        out: the page's file; its directory is made where it is not there.

    Returns:
        Every file that was written, the page first.

    Raises:
        LabError: one cannot be written.
    """
    from src.plots.files import save  # matplotlib is not needed before

    colours = assign_looks(series(findings.charts))
    try:
        out.parent.mkdir(parents=True, exist_ok=True)
        out.write_text(html(findings), encoding="utf-8")
        pictures = [save(picture, out.parent / FOLDER, colours) for picture in findings.charts]
    except OSError as error:
        raise LabError(f"{unwritable(error)}; choose another file with --out") from None
    return [out, *(path for paths in pictures for path in paths)]


def html(findings: Findings) -> str:
    """The page as text."""
    colours = assign_looks(series(findings.charts))
    listed = [(f"table-{index}", table.name) for index, table in enumerate(findings.tables)]
    pictures = [(f"picture-{picture.name}", picture.title) for picture in findings.charts]
    plays = findings.plays
    environment = Environment(
        loader=FunctionLoader(_file), autoescape=True, undefined=StrictUndefined, keep_trailing_newline=True
    )
    return environment.get_template("page.html.j2").render(
        findings=findings,
        sections=[*listed[:1], *pictures, *((play.name, play.title) for play in plays), *listed[1:]],
        legend=partial(_legend, colours=colours),
        folder=f"{FOLDER}/",
        figures=_json({picture.name: figure(picture, colours) for picture in findings.charts}),
        dark=_json(DARK),
        plotly=_plotly() if findings.charts else "",
        style=_file("page.css") + (_file("play.css") if plays else ""),
        script=_file("page.js"),
        plays=_json({play.name: play.data for play in plays}),
        surfaces=", ".join(dict.fromkeys(play.script for play in plays if play.script)),
        play_script=_file("play.js"),
    )


def _file(name: str) -> str:
    return (files("src.report") / name).read_text(encoding="utf-8")


def _plotly() -> str:
    from plotly.offline import get_plotlyjs

    script: str = get_plotlyjs()
    return script


def _json(value: Any) -> str:
    """JSON that cannot end the script element it stands in."""
    text = json.dumps(value, allow_nan=False, ensure_ascii=False, separators=(",", ":"))
    return text.replace("<", "\\u003c").replace("\u2028", "\\u2028").replace("\u2029", "\\u2029")


# --- legends ---------------------------------------------------------------------------------------------------------


def _legend(picture: Picture, colours: Looks) -> list[Entry]:
    """What there is in a picture, each name once."""
    return list({entry.name: entry for entry in _entries(picture, colours)}.values())


def _entries(picture: Picture, colours: Looks) -> Iterator[Entry]:
    if isinstance(picture, Heat | Parallel):
        return
    dashes = cycle(dash.replace("px", "").replace(",", " ") for dash, _ in REFERENCE_DASHES)
    for name in series([picture]):
        look = colours[name]
        yield Entry(name, True, look.colour, look.dark, _DASHES[look.dash[0]], _MARKERS[look.marker[0]])
    for line in picture.axes if isinstance(picture, Contours) else picture.lines:
        if line.name not in colours or line.role == "reference":
            yield Entry(line.name, False, dash=next(dashes))
    for one in picture.points:
        if one.role == "data":
            yield Entry(one.name, False, CLOUD, DARK[CLOUD], marker=_MARKERS["circle"])
        elif one.role == "star":
            yield Entry(one.name, False, marker=_MARKERS["star"])
        elif one.role != "series":
            yield Entry(one.name, False, marker=_MARKERS[{"start": "ring", "saddle": "cross-thin"}[one.role]])
    if isinstance(picture, Chart):
        for level in picture.levels:
            colour = (colours[level.of].colour, colours[level.of].dark) if level.of in colours else ("", "")
            yield Entry(level_label(picture, level), False, *colour, dash="2 3" if level.dotted else "5 3")
