"""The report, as somebody sees it who opens it: pages of sweeps that were trained, and one made by hand."""

import csv
import io
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from PIL import Image
from selenium.webdriver import Chrome
from selenium.webdriver.common.action_chains import ActionChains
from selenium.webdriver.common.by import By
from selenium.webdriver.common.keys import Keys
from selenium.webdriver.remote.webelement import WebElement
from selenium.webdriver.support.ui import Select, WebDriverWait

from src.plots.palette import COLOURS
from src.report.page import html
from tests.report.pages import BUDGETS, FULL, NAMES, RUNS, TABLE, findings

PHONE = {"width": 360, "height": 740, "deviceScaleFactor": 2, "mobile": True}
TALL = {"width": 1280, "height": 6000, "deviceScaleFactor": 1, "mobile": False}
SHEET = {"width": 794, "height": 1123, "deviceScaleFactor": 1, "mobile": False}


def until(browser: Chrome, seen: Callable[[], Any], seconds: float = 60) -> Any:
    return WebDriverWait(browser, seconds, poll_frequency=0.05).until(lambda _: seen())


def opened(browser: Chrome, page: Path) -> Chrome:
    """A page once its pictures in view are drawn."""
    browser.get(page.as_uri())
    until(browser, lambda: browser.execute_script("return document.documentElement.hasAttribute('data-drawn')"))
    return browser


@pytest.fixture(scope="module")
def page(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Made by hand."""
    path = tmp_path_factory.mktemp("page") / "page.html"
    path.write_text(html(findings(FULL, remarks=[f"remark {n}" for n in range(9)], runs=RUNS)), encoding="utf-8")
    return path


def emulate(browser: Chrome, scheme: str, media: str = "screen") -> None:
    features = [{"name": "prefers-color-scheme", "value": scheme}]
    browser.execute_cdp_cmd("Emulation.setEmulatedMedia", {"media": media, "features": features})


def press(browser: Chrome, button: WebElement) -> None:
    """Click on what may lie below the window's edge."""
    browser.execute_script("arguments[0].scrollIntoView({block: 'center', behavior: 'instant'})", button)
    button.click()


def complaints(browser: Chrome) -> list[str]:
    entries = browser.get_log("browser")
    return [entry["message"] for entry in entries if entry["level"] in ("SEVERE", "WARNING")]


def requests(browser: Chrome) -> list[str]:
    """Addresses that the page has asked for, of whatever kind."""
    log = browser.get_log("performance")
    events = [json.loads(entry["message"])["message"] for entry in log]
    asked = [event["params"]["request"]["url"] for event in events if event["method"] == "Network.requestWillBeSent"]
    sockets = [event["params"]["url"] for event in events if event["method"] == "Network.webSocketCreated"]
    return asked + sockets


def brightness(colour: str) -> float:
    """Mean of `rgb(1, 2, 3)`."""
    numbers = [float(part) for part in colour[colour.index("(") + 1 : -1].split(",")[:3]]
    return sum(numbers) / 3


def paper_and_ink(browser: Chrome) -> tuple[float, float]:
    style = "const style = getComputedStyle(document.body); return [style.backgroundColor, style.color]"
    paper, ink = map(brightness, browser.execute_script(style))
    return paper, ink


WIDTHS = "return [innerWidth, document.documentElement.scrollWidth]"


@pytest.mark.parametrize("name", ["sweep", "race"])
def test_it_loads_without_a_complaint_and_asks_nobody(
    browser: Chrome, name: str, request: pytest.FixtureRequest
) -> None:
    """On a phone nothing is wider than the screen, in the dark as in the light."""
    report = request.getfixturevalue(name) / "report.html"
    browser.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", TALL)
    opened(browser, report)
    plots = browser.find_elements(By.CSS_SELECTOR, ".plot")
    assert len(plots) > 2
    assert all(plot.find_elements(By.CSS_SELECTOR, "svg") for plot in plots)
    browser.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", PHONE)
    for scheme in ("light", "dark"):
        emulate(browser, scheme)
        until(browser, lambda: browser.execute_script(WIDTHS) == [360, 360])
        paper, ink = paper_and_ink(browser)
        assert (ink > paper) == (scheme == "dark")
        assert abs(ink - paper) > 128
    assert complaints(browser) == []
    assert {address for address in requests(browser) if not address.startswith("data:")} == {report.as_uri()}


# --- legends, points and axes ----------------------------------------------------------------------------------------

MARKS = """
const marks = `svg :is([stroke="${arguments[0]}"], [fill="${arguments[0]}"]):not([opacity="0"])`;
return [...document.querySelectorAll(".plot")].map((plot) => plot.querySelectorAll(marks).length);
"""
SEEDS, HEAT, RATES, CURVES, RACE = range(5)


def test_a_series_is_hidden_in_every_picture_and_what_is_grey_is_lit(browser: Chrome, page: Path) -> None:
    browser.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", TALL)
    opened(browser, page)

    def marks(index: int) -> list[int]:
        """In each picture, those of a series."""
        return list(browser.execute_script(MARKS, COLOURS[index][0]))

    def entry(index: int) -> WebElement:
        return browser.find_element(By.CSS_SELECTOR, f"#picture-rates .legend button[data-series={NAMES[index]}]")

    def pressed() -> list[str | None]:
        return [entry(index).get_attribute("aria-pressed") for index in range(len(NAMES))]

    assert pressed() == ["true"] * 7 + ["mixed"] * 2
    assert all(marks(0)[picture] for picture in (SEEDS, RATES, CURVES, RACE))
    assert sum(marks(7)) == 0
    press(browser, entry(7))
    until(browser, lambda: marks(7)[RATES] > 0 < marks(7)[CURVES])
    press(browser, entry(0))
    until(browser, lambda: sum(marks(0)) == 0)
    assert pressed() == ["false"] + ["true"] * 7 + ["mixed"]
    press(browser, entry(0))
    until(browser, lambda: all(marks(0)[picture] for picture in (SEEDS, RATES, CURVES, RACE)))
    ActionChains(browser).double_click(entry(1)).perform()
    until(browser, lambda: sum(marks(0)) == 0 < marks(1)[RATES])
    assert pressed() == ["false", "true"] + ["false"] * 7
    ActionChains(browser).double_click(entry(1)).perform()
    until(browser, lambda: pressed() == ["true"] * 7 + ["mixed"] * 2)
    assert complaints(browser) == []


POINTS = """
const [colour] = arguments, at = (point) => point.getBoundingClientRect().x;
const points = document.querySelectorAll(`#picture-rates .mark-symbol path[fill="${colour}"]`);
return [...points].sort((one, other) => at(one) - at(other));
"""


def test_a_point_tells_its_run_and_axes_have_a_switch(browser: Chrome, page: Path) -> None:
    opened(browser, page)
    switch = browser.find_element(By.CSS_SELECTOR, "#picture-rates .switch[data-axis=x]")
    press(browser, switch)
    assert switch.get_attribute("aria-pressed") == "false"

    def places() -> list[float]:
        return [point.rect["x"] for point in browser.execute_script(POINTS, COLOURS[1][0])]

    def even() -> float:
        """0.001, 0.01 and 0.1 are evenly spaced on a logarithmic axis."""
        first, second, third = places()
        return (second - first) / (third - first)

    until(browser, lambda: even() < 0.2)
    press(browser, switch)
    until(browser, lambda: abs(even() - 0.5) < 0.02)
    panel = browser.find_element(By.ID, "run")
    assert not panel.is_displayed()
    browser.execute_script(POINTS, COLOURS[1][0])[1].click()
    until(browser, panel.is_displayed)
    assert [one.text for one in panel.find_elements(By.TAG_NAME, "pre")] == list(RUNS["4"])
    ActionChains(browser).send_keys(Keys.ESCAPE).perform()
    until(browser, lambda: not panel.is_displayed())
    assert complaints(browser) == []


# --- budgets and tables ----------------------------------------------------------------------------------------------


def test_sliders_of_the_budget_sort_its_table(browser: Chrome, page: Path) -> None:
    """By keys alone; at first they stand at all that was spent."""
    opened(browser, page)
    budget = browser.find_element(By.CSS_SELECTOR, ".budget")
    tries, steps = budget.find_elements(By.TAG_NAME, "input")

    def told() -> tuple[list[str], str, list[str]]:
        rows = [row.text.split()[0] for row in budget.find_elements(By.CSS_SELECTOR, "tbody tr")]
        outputs = [one.text for one in budget.find_elements(By.TAG_NAME, "output")]
        return outputs, budget.find_element(By.TAG_NAME, "p").text, rows

    assert told() == (["4", "500"], "4 of 500", ["a", "b"])
    for keys, (row, column) in (([tries], (0, 2)), ([steps], (0, 1)), ([steps], (0, 0))):
        keys[0].send_keys(Keys.ARROW_LEFT)
        spent = BUDGETS.spent[row][column]
        known = [str(BUDGETS.tries[row]), str(BUDGETS.steps[column])]
        assert told() == (known, spent.sentences[0], [share.label for share in spent.shares])
    assert tries.get_attribute("aria-valuetext") == "1"


ROWS = """
const shown = [...document.querySelectorAll(arguments[0])].filter((row) => row.checkVisibility());
return shown.map((row) => [...row.cells].map((cell) => cell.innerText));
"""


def test_a_table_is_sorted_unfolded_and_copied(browser: Chrome, page: Path) -> None:
    opened(browser, page)

    def rows(name: str) -> list[list[str]]:
        return list(browser.execute_script(ROWS, f"#data-{name} tbody tr"))

    heads = browser.find_elements(By.CSS_SELECTOR, "#data-table-0-0 thead button")
    for column, orders in (
        (0, (["adam", "lost", "rprop", "sgd"], ["sgd", "rprop", "lost", "adam"])),
        (1, (["1e-05", "0.1", "3", ""], ["3", "0.1", "1e-05", ""])),  # as words they come in another order
    ):
        for known in orders:
            press(browser, heads[column])
            assert [row[column] for row in rows("table-0-0")] == known
    allowed = {"permissions": ["clipboardReadWrite", "clipboardSanitizedWrite"]}
    browser.execute_cdp_cmd("Browser.grantPermissions", allowed)
    button = browser.find_element(By.CSS_SELECTOR, "[data-copy=csv][data-of=data-table-0-0]")
    press(browser, button)
    until(browser, lambda: button.text == "Copied")
    text = browser.execute_async_script("navigator.clipboard.readText().then(arguments[0])")
    assert list(csv.reader(io.StringIO(text))) == [TABLE.columns, *rows("table-0-0")]
    assert len(rows("table-0-1")) == 12
    press(browser, browser.find_element(By.CSS_SELECTOR, ".unfold"))
    assert len(rows("table-0-1")) == 20


# --- on paper --------------------------------------------------------------------------------------------------------

CROPPED = """
const parts = document.querySelectorAll(".page, .page *:not(svg *, option)");
const wide = (part) => part.scrollWidth > part.clientWidth + 1 && getComputedStyle(part).display !== "inline";
return [...parts].filter((part) => part.checkVisibility() && wide(part)).map((part) => part.outerHTML.slice(0, 99));
"""
DRAWN = "return [...document.querySelectorAll('.plot')].map((plot) => !!plot.querySelector('svg'))"
GROUNDS = "return [...document.querySelectorAll('.plot svg')].map((svg) => svg.style.backgroundColor)"
SEEN = """
const [what] = arguments;
return [...document.querySelectorAll(what)].filter((one) => one.checkVisibility()).map((one) => one.textContent);
"""


def test_on_paper_all_is_there_in_black_on_white(browser: Chrome, page: Path) -> None:
    """Of a page that is dark, of which only what is in view has been drawn; then it is dark again."""
    emulate(browser, "dark")
    opened(browser, page)
    assert not all(browser.execute_script(DRAWN))
    assert paper_and_ink(browser)[0] < 50
    browser.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", SHEET)
    browser.execute_script("dispatchEvent(new Event('beforeprint'))")
    assert all(browser.execute_script(DRAWN))
    emulate(browser, "dark", "print")
    assert paper_and_ink(browser)[0] == 255
    assert set(browser.execute_script(GROUNDS)) == {"rgb(255, 255, 255)"}
    assert browser.execute_script(CROPPED) == []
    assert browser.execute_script(SEEN, ".tools, nav, .player, .unfold, input, select") == []
    assert browser.execute_script(SEEN, ".budget output") == ["4", "500"]
    assert len(browser.execute_script(SEEN, "#data-table-0-1 tbody tr")) == 20
    assert len(browser.execute_script(SEEN, ".remarks li")) == 9
    browser.execute_script("dispatchEvent(new Event('afterprint'))")
    emulate(browser, "dark")
    assert paper_and_ink(browser)[0] < 50
    assert "rgb(255, 255, 255)" not in browser.execute_script(GROUNDS)
    assert complaints(browser) == []


# --- the race --------------------------------------------------------------------------------------------------------

INSIDE = """
const { x, y, width, height } = document.querySelector("#picture-race .plot .background").getBoundingClientRect();
return [x, y, width, height];
"""
WATCH = """
const [player] = arguments, told = player.querySelector("output");
window.steps = [];
new MutationObserver(() => window.steps.push(told.textContent)).observe(told, {childList: true});
"""
PAUSE = """
const [button, slider, done] = arguments;
button.click();
button.click();
const before = slider.value;
let frames = 10;
const end = () => done([before, slider.value, slider.max, button.textContent]);
const next = () => (frames-- ? requestAnimationFrame(next) : end());
next();
"""
MOVE = "arguments[0].value = arguments[1]; arguments[0].dispatchEvent(new Event('input', {bubbles: true}))"
LENGTH = """
const paths = document.querySelectorAll(`#picture-race .plot .mark-line path[stroke="${arguments[0]}"]`);
return [...paths].reduce((sum, path) => sum + path.getTotalLength(), 0);
"""


def test_the_race_plays_over_its_landscape(browser: Chrome, page: Path) -> None:
    """In the light and in the dark hardly a pixel of the surface is the page's own paper, in motion as at rest."""
    opened(browser, page)
    player = browser.find_element(By.CSS_SELECTOR, ".player")
    button, slider = player.find_element(By.TAG_NAME, "button"), player.find_element(By.TAG_NAME, "input")

    def at() -> str:
        return str(browser.execute_script("return arguments[0].querySelector('output').textContent", player))

    def length() -> float:
        return float(browser.execute_script(LENGTH, COLOURS[0][0]))

    browser.execute_script("arguments[0].scrollIntoView({block: 'end', behavior: 'instant'})", player)
    until(browser, lambda: length() > 0)
    whole = length()
    assert at() == "step 10"
    assert "steps a second" in Select(player.find_element(By.TAG_NAME, "select")).first_selected_option.text
    browser.execute_script(MOVE, slider, "5")
    until(browser, lambda: 0 < length() < 0.8 * whole)
    before, after, last, text = browser.execute_async_script(PAUSE, button, slider)
    assert before == after != last
    assert "Play" in text
    for scheme, paper in (("light", (255, 255, 255)), ("dark", (18, 22, 27))):
        emulate(browser, scheme)
        button.click()
        until(browser, lambda: at() not in ("step 0", "step 10"))
        shot = Image.open(io.BytesIO(browser.get_screenshot_as_png())).convert("RGB")
        assert "Pause" in button.text
        left, top, width, height = map(int, browser.execute_script(INSIDE))
        places = [(left + width * i // 12, top + height * j // 12) for i in range(1, 12) for j in range(1, 12)]
        pixels = [shot.getpixel(place) for place in places if 0 < place[1] < shot.height]
        assert len(pixels) > 30
        assert sum(pixel == paper for pixel in pixels) < 0.05 * len(pixels)
        button.click()
    emulate(browser, "light")
    browser.execute_script(WATCH, player)
    browser.execute_script("arguments[0].selectedIndex = 3", player.find_element(By.TAG_NAME, "select"))
    button.click()
    until(browser, lambda: at() == "step 10" and "Play" in button.text)
    played = [int(text.removeprefix("step ")) for text in browser.execute_script("return window.steps")]
    assert played == sorted(played)
    assert played[0] < 10
    until(browser, lambda: length() == pytest.approx(whole))
    assert complaints(browser) == []
