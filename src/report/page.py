"""The page: findings as one HTML file that asks nothing of any network, and their pictures as files beside it."""

import json
import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from importlib.resources import files
from pathlib import Path
from typing import Any

from jinja2 import Environment, FunctionLoader, StrictUndefined

from src.compare.budgets import Budgets, Share
from src.errors import LabError, unwritable
from src.plots.chart import Chart, Contours, Picture, series
from src.plots.files import save
from src.plots.palette import DARK, ROLES, Look, Looks, assign_looks, references
from src.plots.script import script
from src.plots.vega import figure
from src.report.findings import Findings

FOLDER = "pictures"
BESIDE = 260
"""The height of pictures beside each other, in pixels."""


@dataclass(frozen=True)
class Entry:
    """A line of a legend.

    Attributes:
        name: what is written.
        look: how that is drawn.
        series: whether a click hides it.
        line: whether it has one.
        marker: whether it has some.
    """

    name: str
    look: Look
    series: bool = False
    line: bool = True
    marker: bool = True


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
    looks = _looks(findings)
    try:
        out.parent.mkdir(parents=True, exist_ok=True)
        out.write_text(html(findings), encoding="utf-8")
        pictures = [save(picture, out.parent / FOLDER, looks) for picture in findings.charts]
    except OSError as error:
        raise LabError(f"{unwritable(error)}; choose another file with --out") from None
    return [out, *(path for paths in pictures for path in paths)]


def html(findings: Findings) -> str:
    """The page as text."""
    looks = _looks(findings)
    figures = {picture.name: figure(picture, looks) for picture in findings.charts}
    for picture in (picture for section in findings.sections for picture in section.beside):
        figures[picture.name]["height"] = BESIDE
    plays = findings.plays
    data = {
        "figures": figures,
        "series": list(looks),
        "dark": DARK,
        "runs": findings.runs,
        "budgets": {index: _budgets(one.budgets) for index, one in enumerate(findings.sections) if one.budgets},
    }
    environment = Environment(
        loader=FunctionLoader(_file), autoescape=True, undefined=StrictUndefined, keep_trailing_newline=True
    )
    return environment.get_template("page.html.j2").render(
        findings=findings,
        entries=partial(_legend, looks=looks),
        figures=figures,
        folder=f"{FOLDER}/",
        data=_json(data),
        vega=script() if figures else "",
        style=_file("page.css") + (_file("play.css") if plays else ""),
        script=_file("page.js"),
        plays=_json({play.name: play.data for play in plays}),
        surfaces=", ".join(dict.fromkeys(play.script for play in plays if play.script)),
        play_script=_file("play.js"),
    )


def _looks(findings: Findings) -> dict[str, Look]:
    """Of every series, the best one first."""
    drawn = series(findings.charts)
    return assign_looks(list(dict.fromkeys(name for name in (*findings.ranked, *drawn) if name in drawn)))


def _budgets(budgets: Budgets) -> dict[str, Any]:
    """What the sliders show, as texts: of each contender its name, expected loss and chances, of one no chances."""
    spent = [
        [{"sentences": one.sentences, "shares": _shares(one.shares)} for one in of_tries] for of_tries in budgets.spent
    ]
    return {"tries": budgets.tries, "steps": budgets.steps, "spent": spent}


def _shares(shares: Sequence[Share]) -> list[list[str]]:
    texts = []
    for share in shares:
        ends = f" [{_short(share.low)},\u00a0{_short(share.high)}]" if 0 < share.high - share.low < math.inf else ""
        chances = [f"{100 * chance:.0f} %" for chance in (share.first, share.near)] if len(shares) > 1 else []
        texts.append([share.label, _short(share.loss) + ends, *chances])
    return texts


def _short(loss: float) -> str:
    return "–" if not math.isfinite(loss) else f"{loss:,.0f}" if 999.5 <= abs(loss) < 1e6 else f"{loss:.3g}"


def _file(name: str) -> str:
    return (files("src.report") / name).read_text(encoding="utf-8")


def _json(value: Any) -> str:
    """JSON that cannot end the script element it stands in."""
    text = json.dumps(value, allow_nan=False, ensure_ascii=False, separators=(",", ":"))
    return text.replace("<", "\\u003c").replace("\u2028", "\\u2028").replace("\u2029", "\\u2029")


# --- legends ---------------------------------------------------------------------------------------------------------


def _legend(pictures: Sequence[Picture], looks: Looks) -> list[Entry]:
    """What there is in pictures, each name once, series first."""
    drawn = series(pictures)
    entries = [Entry(name, look, series=True) for name, look in looks.items() if name in drawn]
    entries += [entry for picture in pictures for entry in _others(picture)]
    return list({entry.name: entry for entry in entries}.values())


def _others(picture: Picture) -> Iterator[Entry]:
    """What theory says of it, and points that belong to no series."""
    if isinstance(picture, Chart | Contours):
        drawn = picture.axes if isinstance(picture, Contours) else picture.lines
        for name, look in references(line.name for line in drawn if line.role == "reference").items():
            yield Entry(name, look, marker=False)
        for points in picture.points:
            if points.role != "series":
                yield Entry(points.name, ROLES[points.role], line=False)
