"""The report, as somebody sees it who opens it."""

import csv
import io
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from PIL import Image
from selenium.webdriver import Chrome
from selenium.webdriver.common.by import By
from selenium.webdriver.remote.webelement import WebElement
from selenium.webdriver.support.ui import Select, WebDriverWait

PHONE = {"width": 360, "height": 740, "deviceScaleFactor": 2, "mobile": True}
COLOURS = "prefers-color-scheme"
MARKS = "return document.querySelectorAll('.plot .scatterlayer .trace').length"


def until(browser: Chrome, seen: Callable[[], Any], seconds: float = 60) -> Any:
    return WebDriverWait(browser, seconds, poll_frequency=0.05).until(lambda _: seen())


def opened(browser: Chrome, directory: Path) -> Chrome:
    """The report of a sweep once all its pictures are drawn."""
    browser.get((directory / "report.html").as_uri())
    until(browser, lambda: browser.execute_script("return document.documentElement.hasAttribute('data-drawn')"))
    return browser


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


def cells(browser: Chrome) -> list[list[str]]:
    """The first table's, as shown."""
    rows = browser.find_elements(By.CSS_SELECTOR, "#data-table-0 tbody tr")
    return [[cell.text for cell in row.find_elements(By.TAG_NAME, "td")] for row in rows]


def headers(browser: Chrome) -> list[WebElement]:
    return browser.find_elements(By.CSS_SELECTOR, "#data-table-0 thead button")


@pytest.mark.parametrize("name", ["sweep", "race"])
def test_it_loads_without_a_complaint_and_asks_nobody(
    browser: Chrome, name: str, request: pytest.FixtureRequest
) -> None:
    directory = request.getfixturevalue(name)
    opened(browser, directory)
    plots = browser.find_elements(By.CSS_SELECTOR, ".plot")
    assert len(plots) > 2
    assert all(plot.find_elements(By.CSS_SELECTOR, "svg.main-svg") for plot in plots)
    assert complaints(browser) == []
    own = (directory / "report.html").as_uri()
    assert {address for address in requests(browser) if not address.startswith(("data:", "blob:"))} == {own}
    loaded = "return performance.getEntriesByType('resource').map((one) => one.name)"
    assert [one for one in browser.execute_script(loaded) if not one.startswith(("data:", "blob:"))] == []


def test_a_table_has_a_row_per_optimizer_and_is_sorted_by_a_click(browser: Chrome, sweep: Path) -> None:
    opened(browser, sweep)
    place = next(i for i, header in enumerate(headers(browser)) if header.text.casefold().startswith("optimizer"))
    assert {row[place] for row in cells(browser)} == {"adam", "sgd"}
    orders = []
    for _ in range(2):
        press(browser, headers(browser)[place])
        orders.append([row[place] for row in cells(browser)])
    assert orders == [["adam", "sgd"], ["sgd", "adam"]]


def test_numbers_are_sorted_as_numbers(browser: Chrome, race: Path) -> None:
    """The learning rates 0.1, 1e-05 and 3 come in another order as words."""
    opened(browser, race)
    tables = browser.find_elements(By.CSS_SELECTOR, "table[id^=data-table]")
    columns = [
        (table, i)
        for table in tables
        for i, head in enumerate(table.find_elements(By.TAG_NAME, "th"))
        if ("number" in str(head.get_attribute("class")))
    ]
    assert columns
    for table, place in columns:
        press(browser, table.find_elements(By.CSS_SELECTOR, "thead button")[place])
        keys = [
            row.find_elements(By.TAG_NAME, "td")[place].get_attribute("data-value")
            for row in table.find_elements(By.CSS_SELECTOR, "tbody tr")
        ]
        known = [float(key) for key in keys if key]
        assert known == sorted(known)
        assert keys[: len(known)] == [key for key in keys if key]


def test_a_click_hides_an_optimizer_in_every_picture(browser: Chrome, sweep: Path) -> None:
    opened(browser, sweep)
    button = browser.find_element(By.CSS_SELECTOR, ".legend button[data-series=adam]")
    drawn = (
        "return [...document.querySelectorAll('.plot')].map((plot) => plot._fullData.filter("
        "(trace) => trace.legendgroup === 'adam' && trace.visible === true).length)"
    )
    before, marks = browser.execute_script(drawn), browser.execute_script(MARKS)
    assert sum(count > 0 for count in before) > 1
    press(browser, button)
    until(browser, lambda: browser.execute_script(MARKS) < marks and sum(browser.execute_script(drawn)) == 0)
    assert button.get_attribute("aria-pressed") == "false"
    press(browser, button)
    until(browser, lambda: browser.execute_script(MARKS) == marks)
    assert browser.execute_script(drawn) == before
    assert complaints(browser) == []


INSIDE = """
const { x, y, width, height } = document.querySelector(".plot .imagelayer image").getBoundingClientRect();
return [x, y, width, height];
"""


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_the_landscape_stays_while_the_race_is_on(browser: Chrome, race: Path, scheme: str) -> None:
    """Hardly a pixel of what the window holds of the surface is the page's own paper, in motion as at rest."""
    browser.execute_cdp_cmd("Emulation.setEmulatedMedia", {"features": [{"name": COLOURS, "value": scheme}]})
    opened(browser, race)
    player = browser.find_element(By.CSS_SELECTOR, ".player")
    press(browser, player.find_element(By.TAG_NAME, "button"))
    slider = player.find_element(By.TAG_NAME, "input")
    until(browser, lambda: int(str(slider.get_attribute("value"))) in range(3, 39))
    shot = Image.open(io.BytesIO(browser.get_screenshot_as_png())).convert("RGB")
    assert int(str(slider.get_attribute("value"))) < 40
    left, top, width, height = map(int, browser.execute_script(INSIDE))
    paper = {"light": (255, 255, 255), "dark": (18, 22, 27)}[scheme]
    places = [(left + width * i // 12, top + height * j // 12) for i in range(1, 12) for j in range(1, 12)]
    pixels = [shot.getpixel(place) for place in places if place[1] < shot.height]
    assert len(pixels) > 30
    assert sum(pixel == paper for pixel in pixels) < 0.05 * len(pixels)
    assert "steps a second" in Select(player.find_element(By.TAG_NAME, "select")).first_selected_option.text


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


def test_the_animation_plays_pauses_and_is_set_by_its_slider(browser: Chrome, race: Path) -> None:
    """However few of its frames a slow machine gets to draw."""
    opened(browser, race)
    player = browser.find_element(By.CSS_SELECTOR, ".player")
    button, slider = player.find_element(By.TAG_NAME, "button"), player.find_element(By.TAG_NAME, "input")
    plot = browser.find_element(By.CSS_SELECTOR, f".plot[data-name='{player.get_attribute('data-name')}']")

    def step() -> int:
        return number(player.find_element(By.TAG_NAME, "output").text)

    def points() -> int:
        return int(browser.execute_script("return arguments[0].data.reduce((n, t) => n + t.x.length, 0)", plot))

    assert step() == 40
    whole = points()
    browser.execute_script(WATCH, player)
    press(browser, button)
    until(browser, lambda: browser.execute_script("return window.steps.at(-1)") == "step 40" and "Play" in button.text)
    played = [number(text) for text in browser.execute_script("return window.steps")]
    assert played == sorted(played)
    assert played[0] < 40
    browser.execute_script(MOVE, slider, "0")
    until(browser, lambda: step() == 0 and points() < whole)
    before, after, last, text = browser.execute_async_script(PAUSE, button, slider)
    assert before == after != last
    assert "Play" in text
    browser.execute_script(MOVE, slider, slider.get_attribute("max"))
    until(browser, lambda: step() == 40 and points() == whole)
    assert complaints(browser) == []


def number(told: str) -> int:
    """1000 of `step 1,000`."""
    return int(told.removeprefix("step ").replace(",", ""))


def test_logarithmic_axes_are_a_switch(browser: Chrome, sweep: Path) -> None:
    opened(browser, sweep)
    switch = browser.find_element(By.CSS_SELECTOR, ".switch[data-axis=y]")
    plot = browser.find_element(By.CSS_SELECTOR, f".plot[data-name='{switch.get_attribute('data-name')}']")
    kind = "return arguments[0]._fullLayout.yaxis.type"
    before = browser.execute_script(kind, plot)
    press(browser, switch)
    other = {"log": "linear", "linear": "log"}[before]
    until(browser, lambda: browser.execute_script(kind, plot) == other)


@pytest.mark.parametrize("name", ["sweep", "race"])
@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_on_a_phone_nothing_is_wider_than_the_screen(
    browser: Chrome, name: str, scheme: str, request: pytest.FixtureRequest
) -> None:
    features = [{"name": COLOURS, "value": scheme}]
    browser.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", PHONE)
    browser.execute_cdp_cmd("Emulation.setEmulatedMedia", {"features": features})
    opened(browser, request.getfixturevalue(name))
    assert browser.execute_script("return [innerWidth, document.documentElement.scrollWidth]") == [360, 360]
    behind, ink = browser.execute_script(
        "const style = getComputedStyle(document.body), page = getComputedStyle(document.documentElement);"
        "const clear = (colour) => colour === 'rgba(0, 0, 0, 0)';"
        "return [clear(style.backgroundColor) ? page.backgroundColor : style.backgroundColor, style.color]"
    )
    assert (brightness(ink) > brightness(behind)) == (scheme == "dark")
    assert abs(brightness(ink) - brightness(behind)) > 128
    assert complaints(browser) == []


def brightness(colour: str) -> float:
    """Mean of `rgb(1, 2, 3)`."""
    numbers = [float(part) for part in colour[colour.index("(") + 1 : -1].split(",")[:3]]
    return sum(numbers) / 3


def test_a_table_is_copied_as_csv(browser: Chrome, sweep: Path) -> None:
    opened(browser, sweep)
    allowed = {"permissions": ["clipboardReadWrite", "clipboardSanitizedWrite"]}
    browser.execute_cdp_cmd("Browser.grantPermissions", allowed)
    button = browser.find_element(By.CSS_SELECTOR, "[data-copy=csv][data-of=data-table-0]")
    press(browser, button)
    until(browser, lambda: button.text == "Copied")
    text = browser.execute_async_script("navigator.clipboard.readText().then(arguments[0])")
    head, *rows = csv.reader(io.StringIO(text))
    assert head == [header.text for header in headers(browser)]
    assert rows == cells(browser)
