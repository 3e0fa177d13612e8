"""The page: findings as one HTML file that asks nothing of any network, and their pictures as files beside it."""

import json
import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from importlib.resources import files
from itertools import cycle
from pathlib import Path
from typing import Any

from jinja2 import Environment, StrictUndefined

from src.errors import LabError, unwritable
from src.plots.chart import Chart, Contours, Heat, Picture, series
from src.plots.extent import level_label
from src.plots.interactive import figure
from src.plots.palette import CLOUD, DARK, REFERENCE_DASHES, Looks, assign_looks
from src.report.findings import Findings
from src.report.tables import TableData

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
}
_DASHES = {"solid": "", "dash": "9 5", "dot": "3 3", "dashdot": "8 3 3 3"}


@dataclass(frozen=True)
class Entry:
    """A line of a legend.

    Attributes:
        name: what is told.
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

    known = assign_looks(series(findings.charts))
    try:
        out.parent.mkdir(parents=True, exist_ok=True)
        out.write_text(html(findings), encoding="utf-8")
        pictures = [save(picture, out.parent / FOLDER, known) for picture in findings.charts]
    except OSError as error:
        raise LabError(f"{unwritable(error)}; choose another file with --out") from None
    return [out, *(path for paths in pictures for path in paths)]


def html(findings: Findings) -> str:
    """The page as text."""
    known = assign_looks(series(findings.charts))
    environment = Environment(autoescape=True, undefined=StrictUndefined, keep_trailing_newline=True)
    template = environment.from_string(_file("page.html.j2"))
    pictures = [_picture(picture, known) for picture in findings.charts]
    tables = [_table(table) for table in findings.tables]
    return template.render(
        title=findings.title,
        command=findings.command,
        tables=tables,
        pictures=pictures,
        sections=_sections(tables, pictures),
        remarks=findings.remarks,
        environment={key: value for key, value in findings.environment.items() if key != "command"},
        config=findings.config,
        folder=f"{FOLDER}/",
        figures=_json({picture.name: figure(picture, known) for picture in findings.charts}),
        dark=_json(DARK),
        plotly=_plotly() if pictures else "",
        style=_file("page.css"),
        script=_file("page.js"),
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


def _sections(tables: Sequence[Mapping[str, Any]], pictures: Sequence[Mapping[str, Any]]) -> list[dict[str, str]]:
    listed = [{"anchor": f"table-{index}", "title": table["name"]} for index, table in enumerate(tables)]
    shown = [{"anchor": picture["anchor"], "title": picture["title"]} for picture in pictures]
    return [*listed[:1], *shown, *listed[1:]]


# --- tables ----------------------------------------------------------------------------------------------------------


def _table(table: TableData) -> dict[str, Any]:
    """A column is one of numbers where every value in it is one, or is missing."""
    columns = list(zip(*table.rows, strict=True)) if table.rows else [()] * len(table.columns)
    numeric = [
        any(_is_number(cell.value) for cell in column) and all(_is_number(cell.value, missing=True) for cell in column)
        for column in columns
    ]
    rows = [[{"text": cell.text, "key": _key(cell.value)} for cell in row] for row in table.rows]
    return {"name": table.name, "columns": table.columns, "numeric": numeric, "rows": rows, "caption": table.caption}


def _is_number(value: Any, missing: bool = False) -> bool:
    return (missing and value is None) or (isinstance(value, int | float) and not isinstance(value, bool))


def _key(value: Any) -> str:
    """What a cell is sorted by; where it is no finite number there is nothing, which comes last either way."""
    return "" if value is None or (isinstance(value, float) and not math.isfinite(value)) else str(value)


# --- pictures --------------------------------------------------------------------------------------------------------


def _picture(picture: Picture, known: Looks) -> dict[str, Any]:
    switches = [
        {"axis": which, "log": axis.log}
        for which, axis in ((("x", picture.x), ("y", picture.y)) if isinstance(picture, Chart) else ())
        if axis.switch
    ]
    entries = {entry.name: entry for entry in _legend(picture, known)}
    return {
        "name": picture.name,
        "anchor": f"picture-{picture.name}",
        "title": picture.title,
        "caption": picture.caption,
        "switches": switches,
        "legend": list(entries.values()),
        "frames": len(picture.frames) if isinstance(picture, Contours) else 0,
    }


def _legend(picture: Picture, known: Looks) -> Iterator[Entry]:
    if isinstance(picture, Heat):
        return
    dashes = cycle(dash.replace("px", "").replace(",", " ") for dash, _ in REFERENCE_DASHES)
    for name in series([picture]):
        look = known[name]
        yield Entry(name, True, look.colour, look.dark, _DASHES[look.dash[0]], _MARKERS[look.marker[0]])
    for line in picture.axes if isinstance(picture, Contours) else picture.lines:
        if line.name not in known or line.role == "reference":
            yield Entry(line.name, False, dash=next(dashes))
    for points in picture.points:
        if points.role == "data":
            yield Entry(points.name, False, CLOUD, DARK[CLOUD], marker=_MARKERS["circle"])
        elif points.role == "star":
            yield Entry(points.name, False, marker=_MARKERS["star"])
    for level in picture.levels if isinstance(picture, Chart) else ():
        colours = (known[level.of].colour, known[level.of].dark) if level.of in known else ("", "")
        assert isinstance(picture, Chart)
        yield Entry(level_label(picture, level), False, *colours, dash="2 3" if level.dotted else "5 3")
