"""The page as text: one file that asks nothing of a network, whose texts are shown as they were typed."""

import json
import math
from html.parser import HTMLParser
from pathlib import Path

import pytest

from src.errors import LabError
from src.plots.chart import Axis, Chart, Line
from src.report.answer import Answer
from src.report.findings import Findings, Section
from src.report.page import html, write
from src.report.tables import Cell, TableData
from tests.plots.test_static import CHART, HEAT, RACE

NASTY = "</script><img src=x onerror=alert(1)>&amp;{{ 7*7 }}"


def _findings(**others: object) -> Findings:
    table = TableData(
        "Which?", ["optimizer", "loss", "seeds"], [[Cell("adam", "adam"), Cell("0.5", 0.5), Cell("3", 3)]]
    )
    known = {
        "title": "Title",
        "command": "python -m src.train -m",
        "environment": {"torch": "2.13", "command": "no second time"},
        "remarks": ["a remark"],
        "config": "seed: 0",
    }
    own = {"tables": [table], "charts": [CHART, HEAT, RACE], "plays": []} | {
        key: others.pop(key) for key in ("tables", "charts", "plays") if key in others
    }
    answers = [Section(answer=one) for one in others.pop("answers", [])]  # type: ignore[attr-defined]
    sections = [*answers, Section(**own)]  # type: ignore[arg-type]
    return Findings(**(known | others | {"sections": sections}))  # type: ignore[arg-type]


class _Reader(HTMLParser):
    """Elements with their attributes, and the text of each kind of element."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.elements = list[tuple[str, dict[str, str | None]]]()
        self.texts = dict[str, str]()
        self._open = list[str]()
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.elements.append((tag, dict(attrs)))
        self._open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        if tag in self._open:
            while self._open.pop() != tag:
                pass

    def handle_data(self, data: str) -> None:
        for tag in self._open[-1:]:
            self.texts[tag] = self.texts.get(tag, "") + data

    def attributes(self, tag: str, key: str) -> list[str | None]:
        return [attrs[key] for name, attrs in self.elements if name == tag and key in attrs]


def _data(text: str, name: str) -> dict[str, object]:
    start = text.index(f'id="{name}">') + len(f'id="{name}">')
    return dict(json.loads(text[start : text.index("</script>", start)]))


def test_page_asks_nothing_of_any_network() -> None:
    page = _Reader(html(_findings()))
    addresses = [value for key in ("src", "href", "data") for _, attrs in page.elements if (value := attrs.get(key))]
    assert all(address.startswith(("#", "data:")) for address in addresses)
    assert "@import" not in page.texts["style"]
    assert "url(" not in page.texts["style"]
    (policy,) = [attrs["content"] for tag, attrs in page.elements if attrs.get("http-equiv")]
    assert policy == "default-src 'none'; script-src 'unsafe-inline'; style-src 'unsafe-inline'; img-src data: blob:"


def test_page_holds_everything_once() -> None:
    text = html(_findings())
    page = _Reader(text)
    assert page.texts["h1"] == page.texts["title"] == "Title"
    assert page.texts["dt"] == "torch"
    assert text.count("no second time") == 0
    assert set(_data(text, "figures")) == {CHART.name, HEAT.name, RACE.name}
    ids = page.attributes("div", "id") + page.attributes("table", "id") + page.attributes("section", "id")
    assert len(ids) == len(set(ids))
    anchors = [str(href)[1:] for href in page.attributes("a", "href")]
    assert anchors
    assert set(anchors) <= set(page.attributes("section", "id"))


def test_the_verdict_is_the_first_thing_with_its_commands() -> None:
    answers = [
        Answer(
            "line", ["Take adam.", "Certainty: 8 seeds."], [("trains it", "python one"), ("confirms it", "python two")]
        ),
        Answer("", ["Nothing came through."], []),
    ]
    text = html(_findings(answers=answers))
    page = _Reader(text)
    assert page.texts["strong"] == "Take adam.Nothing came through."
    assert text.index("<strong>") < text.index("<table")
    buttons = [attrs for tag, attrs in page.elements if tag == "button" and attrs.get("data-copy") == "text"]
    assert [one["title"] for one in buttons if "title" in one] == ["python one", "python two"]
    ids = [attrs.get("id") for tag, attrs in page.elements if tag in ("code", "pre")]
    assert all(one["data-of"] in ids for one in buttons)


def test_markup_is_text_wherever_it_comes_from() -> None:
    table = TableData(NASTY, [NASTY], [[Cell(NASTY, NASTY)]], NASTY)
    chart = Chart("c", NASTY, Axis(NASTY), Axis(NASTY), NASTY, lines=[Line(NASTY, [0, 1], [0, 1], hover=NASTY)])
    text = html(
        _findings(
            title=NASTY,
            command=NASTY,
            environment={NASTY: NASTY},
            tables=[table],
            charts=[chart],
            remarks=[NASTY],
            config=NASTY,
            answers=[Answer(NASTY, [NASTY, NASTY], [(NASTY, NASTY)])],
        )
    )
    page = _Reader(text)
    assert not [tag for tag, _ in page.elements if tag == "img"]
    assert {page.texts[tag] for tag in ("h1", "li", "dd", "dt", "td", "h2")} >= {NASTY}
    assert text.count("<script") == text.count("</script>") == 4
    assert len(_data(text, "figures")) == 1


def test_columns_are_sorted_as_what_they_hold() -> None:
    rows = [
        [Cell("b", "b"), Cell("0.5 [0.4, 0.6]", 0.5), Cell("", math.inf)],
        [Cell("a", "a"), Cell("", math.nan), Cell("2", 2)],
    ]
    page = _Reader(html(_findings(tables=[TableData("T", ["name", "loss", "steps"], rows)], charts=[])))
    heads = [attrs.get("class") for tag, attrs in page.elements if tag == "th"]
    assert heads == [None, "number", "number"]
    assert page.attributes("td", "data-value") == ["b", "0.5", "", "a", "", "2"]


def test_legend_has_every_series_and_hides_only_what_was_measured() -> None:
    page = _Reader(html(_findings(charts=[CHART])))
    assert page.attributes("button", "data-series") == ["sgd", "best"]
    told = page.texts["span"]
    assert all(name in told for name in ("theory", "critical", "exact"))


def test_switches_are_those_of_the_axes() -> None:
    chart = Chart("c", "C", Axis("x", switch=True), Axis("y", log=True, switch=True), lines=[Line("a", [1], [1])])
    page = _Reader(html(_findings(charts=[chart])))
    switches = [
        (attrs["data-axis"], attrs["aria-pressed"]) for _, attrs in page.elements if attrs.get("class") == "switch"
    ]
    assert switches == [("x", "false"), ("y", "true")]


@pytest.mark.parametrize("empty", [{"tables": []}, {"charts": []}, {"remarks": []}, {"environment": {}, "config": ""}])
def test_page_without_something(empty: dict[str, object]) -> None:
    text = html(_findings(**empty))
    assert _Reader(text).texts["h1"] == "Title"
    assert ("plotly.js v" in text) is (empty != {"charts": []})


def test_pictures_are_files_beside_the_page(tmp_path: Path) -> None:
    written = write(_findings(), tmp_path / "new" / "page.html")
    assert written[0] == tmp_path / "new" / "page.html"
    assert {path.relative_to(tmp_path).parent.as_posix() for path in written[1:]} == {"new/pictures"}
    assert sorted(written) == sorted(path for path in (tmp_path / "new").rglob("*") if path.is_file())
    assert written[0].stat().st_size < 6_000_000


def test_a_page_that_cannot_be_written_is_told(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("", encoding="utf-8")
    with pytest.raises(LabError, match=r"cannot be written .* --out"):
        write(_findings(charts=[]), tmp_path / "file" / "page.html")
