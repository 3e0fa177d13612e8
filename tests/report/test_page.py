"""The page as text: one file that asks nothing of a network, whose texts are shown as they were typed."""

import json
import math
from dataclasses import replace
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import pytest

from src.compare.budgets import Budgets, Share, Spent
from src.errors import LabError
from src.plots.chart import Axis, Chart, Line
from src.plots.palette import COLOURS
from src.report.answer import Answer
from src.report.findings import Section
from src.report.page import html, write
from src.report.tables import Cell, TableData
from tests.report.pages import BUDGETS, CHART, CURVES, FULL, HEAT, LONG, RACE, TABLE, findings

NASTY = "</script><img src=x onerror=alert(1)>&amp;{{ 7*7 }}"


@pytest.fixture(autouse=True)
def _script(monkeypatch: pytest.MonkeyPatch) -> None:
    """A word in the place of a megabyte, which takes a while to read."""
    monkeypatch.setattr("src.report.page.script", lambda: "vega")


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


def _data(text: str) -> dict[str, Any]:
    start = text.index('id="data">') + len('id="data">')
    return dict(json.loads(text[start : text.index("</script>", start)]))


def test_page_asks_nothing_of_any_network() -> None:
    page = _Reader(html(findings()))
    addresses = [value for key in ("src", "href", "data") for _, attrs in page.elements if (value := attrs.get(key))]
    assert all(address.startswith(("#", "data:")) for address in addresses)
    assert "@import" not in page.texts["style"]
    assert "url(" not in page.texts["style"]
    (policy,) = [attrs["content"] for tag, attrs in page.elements if attrs.get("http-equiv")]
    assert policy == "default-src 'none'; script-src 'unsafe-inline'; style-src 'unsafe-inline'; img-src data:"


def test_page_holds_everything_once() -> None:
    text = html(findings(FULL, runs={"0": ("directory", "command")}))
    page = _Reader(text)
    assert page.texts["h1"] == page.texts["title"] == "Title"
    assert page.texts["dt"] == "torch"
    assert text.count("no second time") == 0
    assert set(_data(text)["figures"]) == {"seeds", "heat", "rates", "curves", "race"}
    assert _data(text)["runs"] == {"0": ["directory", "command"]}
    ids = [attrs["id"] for _, attrs in page.elements if "id" in attrs]
    assert len(ids) == len(set(ids))
    anchors = [str(href)[1:] for href in page.attributes("a", "href")]
    assert anchors == ["table-0-0", *(f"picture-{name}" for name in _data(text)["figures"]), "table-0-1"]
    assert set(anchors) <= set(ids)


def test_a_section_a_problem_whose_contents_are_its_verdicts() -> None:
    """In each: the verdict with its commands, the budget, pictures beside each other, a table, pictures, a table."""
    answer = Answer(
        "line", ["Take adam.", "Certainty: 8 seeds."], [("trains it", "python one"), ("confirms it", "two")]
    )
    own = replace(CHART, name="own")
    line = Section("line", answer, BUDGETS, [replace(HEAT, name="other")], [TABLE, LONG], [own])
    text = html(findings(Section("All problems", tables=[TABLE], charts=[CHART]), line))
    page = _Reader(text)
    assert page.texts["strong"] == "Take adam."
    assert page.attributes("a", "href") == ["#section-0", "#section-1"]
    assert "Take adam." in page.texts["li"]
    marks = ('id="section-0"', 'id="table-0-0"', 'class="remarks"', "picture-rates", 'id="section-1"', "<strong>")
    folded = "1 more picture of line"
    order = (*marks, 'class="budget"', "picture-other", 'id="table-1-0"', folded, "picture-own", 'id="table-1-1"')
    places = [text.index(mark) for mark in order]
    assert places == sorted(places)
    told = [attrs["title"] for _, attrs in page.elements if attrs.get("data-copy") == "text" and "title" in attrs]
    assert told == ["python one", "two"]
    ids = [attrs.get("id") for _, attrs in page.elements]
    assert all(attrs["data-of"] in ids for _, attrs in page.elements if "data-copy" in attrs)


def test_budgets_are_texts_to_choose_from() -> None:
    text = html(findings(FULL))
    (known,) = _data(text)["budgets"].values()
    assert (known["tries"], known["steps"]) == ([1, 4], [10, 100, 500])
    assert known["spent"][0][1] == {
        "sentences": ["1 of 100"],
        "shares": [["b", "0.01 [0.005,\u00a00.02]", "75 %", "80 %"], ["a", "–", "25 %", "30 %"]],
    }
    assert [(one["max"], one["value"]) for tag, one in _Reader(text).elements if "name" in one and tag == "input"] == [
        ("1", "1"),
        ("2", "2"),
    ]
    alone = replace(BUDGETS, tries=[4], spent=BUDGETS.spent[1:])
    assert "settings tried" not in html(findings(replace(FULL, budgets=alone)))


def test_of_one_there_is_a_loss_to_expect_and_no_chance() -> None:
    only = Budgets([1, 4], [10], [[Spent(["four"], [Share("a", 3144.4, 3000.0, 3300.0, 1.0, 1.0)])]] * 2)
    text = html(findings(replace(FULL, budgets=only)))
    (known,) = _data(text)["budgets"].values()
    assert known["spent"][0][0]["shares"] == [["a", "3,144 [3,000,\u00a03,300]"]]
    assert "being best" not in text


def test_where_nothing_is_drawn_a_loss_to_expect_has_no_interval() -> None:
    drawn = Budgets([1, 4], [10], [[Spent(["four"], [Share("a", 0.5, 0.5, 0.5, 1.0, 1.0)])]] * 2)
    (known,) = _data(html(findings(replace(FULL, budgets=drawn))))["budgets"].values()
    assert known["spent"][0][0]["shares"] == [["a", "0.5"]]


def test_markup_is_text_wherever_it_comes_from() -> None:
    table = TableData(NASTY, [NASTY], [[Cell(NASTY, NASTY)]], NASTY)
    chart = Chart("c", NASTY, Axis(NASTY), Axis(NASTY), 9 * NASTY, lines=[Line(NASTY, [0, 1], [0, 1], hover=NASTY)])
    budgets = Budgets([1], [1], [[Spent([NASTY], [Share(NASTY, 1.0, 1.0, 1.0, 1.0)])]])
    section = Section(NASTY, Answer(NASTY, [NASTY, NASTY], [(NASTY, NASTY)]), budgets, [], [table], [chart])
    nasty = {"title": NASTY, "command": NASTY, "environment": {NASTY: NASTY}, "remarks": [NASTY], "config": NASTY}
    text = html(findings(section, section, **nasty, status=NASTY, runs={NASTY: (NASTY, NASTY)}))
    page = _Reader(text)
    assert not [tag for tag, _ in page.elements if tag == "img"]
    assert {page.texts[tag] for tag in ("dd", "dt")} == {NASTY}
    assert all(NASTY in page.texts[tag] for tag in ("h1", "h2", "h3", "li", "td", "summary", "p", "span", "strong"))
    assert text.count("<script") == text.count("</script>") == 3
    assert len(_data(text)["figures"]) == 1


def test_columns_are_sorted_as_what_they_hold() -> None:
    rows = [
        [Cell("b", "b"), Cell("0.5 [0.4, 0.6]", 0.5), Cell("", math.inf)],
        [Cell("a", "a"), Cell("", math.nan), Cell("2", 2)],
    ]
    page = _Reader(html(findings(Section(tables=[TableData("T", ["name", "loss", "steps"], rows)]))))
    heads = [attrs.get("class") for tag, attrs in page.elements if tag == "th"]
    assert heads == [None, "number", "number"]
    assert page.attributes("td", "data-value") == ["b", "0.5", "", "a", "", "2"]


def test_what_is_long_is_folded() -> None:
    """Rows of a table, remarks, captions."""
    text = html(findings(FULL, remarks=[f"remark {number}" for number in range(9)]))
    assert [text.count(told) for told in ("Show all 20", "and 4 more", "<summary>One sentence")] == [1, 1, 1]
    assert _Reader(text).texts["li"].count("remark") == 9
    short = html(findings(Section(tables=[TABLE], charts=[HEAT]), remarks=["one"] * 5))
    assert all(told not in short for told in ("Show all", "more</summary>", '<details class="caption">'))


def test_legend_has_every_series_and_hides_only_what_was_measured() -> None:
    """Those that stand beside each other have one."""
    page = _Reader(html(findings(Section(charts=[CHART]))))
    assert page.attributes("button", "data-series") == [line.name for line in CHART.lines[:-1]]
    assert all(name in page.texts["span"] for name in ("theory", "data"))
    both = Section(beside=[CHART, replace(CHART, name="again")])
    assert len(_Reader(html(findings(both))).attributes("button", "data-series")) == len(CHART.lines) - 1


def test_series_come_in_their_order_and_the_usual_ones_look_alike_everywhere() -> None:
    """Where all have a colour of their own; of what is not ranked those that come first are first."""
    names = ["mine", "adam", "sgd", "yours"]
    chart = replace(CURVES, lines=[Line(name, [0, 1], [0, 1]) for name in names])
    text = html(findings(Section(charts=[chart]), ranked=["sgd", "lost", "adam"]))
    assert (
        _data(text)["series"] == _Reader(text).attributes("button", "data-series") == ["sgd", "adam", "mine", "yours"]
    )
    styles = [str(style).partition(";")[0] for style in _Reader(text).attributes("svg", "style")]
    assert styles == [f"--on-white:{COLOURS[index][0]}" for index in (0, 2, 1, 3)]


def test_switches_are_those_of_the_axes() -> None:
    chart = Chart("c", "C", Axis("x", switch=True), Axis("y", log=True, switch=True), lines=[Line("a", [1], [1])])
    page = _Reader(html(findings(Section(charts=[chart]))))
    switches = [
        (attrs["data-axis"], attrs["aria-pressed"]) for _, attrs in page.elements if attrs.get("class") == "switch"
    ]
    assert switches == [("x", "false"), ("y", "true")]


def test_how_a_run_ended_stands_by_its_name() -> None:
    page = _Reader(html(findings(status="stopped early")))
    assert page.attributes("span", "data-status") == ["stopped early"]
    assert not _Reader(html(findings())).attributes("span", "data-status")


@pytest.mark.parametrize(
    ("sections", "empty"),
    [
        ([Section(charts=[CHART])], {}),
        ([Section(tables=[TABLE])], {}),
        ([], {"remarks": []}),
        ([], {"environment": {}, "config": ""}),
    ],
)
def test_page_without_something(sections: list[Section], empty: dict[str, Any]) -> None:
    text = html(findings(*sections, **empty))
    assert _Reader(text).texts["h1"] == "Title"
    assert ("<script>vega</script>" in text) is (sections != [Section(tables=[TABLE])])


def test_pictures_are_files_beside_the_page(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A page is one file, and as small as its script lets it be."""
    monkeypatch.undo()
    written = write(findings(Section(charts=[HEAT, RACE])), tmp_path / "new" / "page.html")
    assert written[0] == tmp_path / "new" / "page.html"
    assert {path.relative_to(tmp_path).parent.as_posix() for path in written[1:]} == {"new/pictures"}
    assert sorted(written) == sorted(path for path in (tmp_path / "new").rglob("*") if path.is_file())
    assert written[0].stat().st_size < 1_200_000


def test_a_page_that_cannot_be_written_is_told(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("", encoding="utf-8")
    with pytest.raises(LabError, match=r"cannot be written .* --out"):
        write(findings(Section()), tmp_path / "file" / "page.html")
