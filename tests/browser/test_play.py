"""The descent to play with: the page's own arithmetic against real runs and theory, and its knobs."""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from scipy.optimize import minimize_scalar
from selenium.webdriver import Chrome
from selenium.webdriver.common.action_chains import ActionChains
from selenium.webdriver.common.by import By
from selenium.webdriver.common.keys import Keys

from src.config.surfaces import FUNCTIONS
from src.report.page import html
from src.report.play import javascript
from src.report.run_files import Run
from src.report.single import findings_of
from src.run import run as train
from src.run_directory import RunDirectory, read_rows
from src.theory.descent_path import Method
from tests.browser.test_report import MOVE, PHONE, complaints, press, until
from tests.run.runs import stacked

STEPS = 60
SHARED = ["logger=none", "model.dtype=float64", f"trainer.max_steps={STEPS}", f"trainer.val_every_n_steps={STEPS}"]
WATCHED = ["callbacks=[parameters]", "callbacks.parameters.every_n_steps=1"]
PROBLEMS = {
    "line": (["data.rows=40", "data.val=0", "data.test=0"], ("weight", "bias")),
    "surface": (["model=surface", "model.function=rosenbrock"], ("point[0]", "point[1]")),
}
# by problem and optimizer five learning rates, from one that crawls to one that rings or diverges
RATES = {
    ("line", "sgd"): (0.01, 0.1, 0.4, 0.75, 1.0),
    ("line", "momentum"): (0.001, 0.01, 0.1, 0.5, 2.0),
    ("line", "nesterov"): (0.001, 0.01, 0.1, 0.3, 0.7),
    ("line", "rmsprop"): (0.001, 0.01, 0.05, 0.1, 0.3),
    ("line", "adam"): (0.001, 0.01, 0.1, 0.5, 1.0),
    ("surface", "sgd"): (1e-4, 3e-4, 1e-3, 2e-3, 3e-3),
    ("surface", "momentum"): (1e-5, 1e-4, 3e-4, 1e-3, 2e-3),
    ("surface", "nesterov"): (1e-5, 1e-4, 3e-4, 1e-3, 2e-3),
    ("surface", "rmsprop"): (0.001, 0.01, 0.03, 0.1, 0.3),
    ("surface", "adam"): (0.001, 0.01, 0.1, 0.3, 1.0),
}
BETAS = (0.9, 0.5, 0.8, 0.9, 0.0)
PLAY = """
const play = JSON.parse(document.getElementById("plays").textContent).play;
const surface = play.quadratic ? quadratic(play.quadratic) : SURFACES[play.surface];
"""


def beta(optimizer: str, value: float) -> list[str]:
    """The words that give an optimizer this momentum."""
    key = {"momentum": "momentum={}", "nesterov": "momentum={}", "rmsprop": "momentum={}", "adam": "betas=[{},0.999]"}
    if optimizer == "nesterov" and value == 0:
        value = 0.3  # torch has no Nesterov without momentum
    return [f"optimizer.{key[optimizer].format(value)}"] if optimizer in key else []


@pytest.fixture(scope="module")
def pages(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """Of a line and of a surface, without their pictures."""
    found = {}
    for name, (words, _) in PROBLEMS.items():
        root = tmp_path_factory.mktemp(name)
        run = Run(train([*SHARED, *words, "optimizer.lr=0.001", f"hydra.run.dir={root / 'run'}"]).directory)
        found[name] = root / "page.html"
        said = findings_of(run)
        bare = replace(said, sections=[replace(one, charts=[]) for one in said.sections])
        found[name].write_text(html(bare), encoding="utf-8")
    return found


@pytest.fixture
def opened(browser: Chrome, pages: dict[str, Path]) -> Callable[[str], Chrome]:
    def open_page(name: str) -> Chrome:
        browser.get(pages[name].as_uri())
        return browser

    return open_page


@pytest.mark.parametrize(("problem", "optimizer"), RATES)
def test_paths_are_those_of_real_runs(
    opened: Callable[[str], Chrome], tmp_path: Path, problem: str, optimizer: str
) -> None:
    words, names = PROBLEMS[problem]
    settings = list(zip(RATES[problem, optimizer], BETAS, strict=True))
    jobs = [[f"optimizer={optimizer}", f"optimizer.lr={lr}", *beta(optimizer, value)] for lr, value in settings]
    runs = stacked(tmp_path, [*SHARED, *words, *WATCHED], jobs)
    browser = opened(problem)
    for run, (lr, value) in zip(runs, settings, strict=True):
        rows = [row for _, row in read_rows(RunDirectory(run.directory).curves_path) if names[0] in row]
        theirs = np.array([[row[name] for name in names] for row in rows])
        own = {"lr": lr, "momentum": 0.3 if optimizer == "nesterov" and value == 0 else value}
        script = PLAY + "const own = {...play.optimizers[arguments[0]], ...arguments[1]};"
        script += "return descend(surface, arguments[0], own, play.start, arguments[2]).places"
        ours = np.array(browser.execute_script(script, optimizer, own, len(theirs) - 1), dtype=float)
        assert len(theirs) == run.steps + 1 > 5
        np.testing.assert_allclose(ours, theirs, rtol=1e-9, atol=1e-9)


@pytest.mark.parametrize("name", FUNCTIONS)
def test_a_surface_in_javascript_is_that_of_python(browser: Chrome, name: str) -> None:
    function = FUNCTIONS[name]
    low, high = np.array(function.window).T
    x, y = np.random.default_rng(0).uniform(low, high, (20, 2)).T
    script = f"const surface = {{ {javascript(name)} }}.{name};"
    script += "return arguments[0].map((place) => [surface.value(place), ...surface.gradient(place)])"
    ours = np.array(browser.execute_script(script, np.stack([x, y], 1).tolist()), dtype=float)
    theirs = np.stack([function.value(x, y, np), *function.gradient(x, y, np)], 1)
    np.testing.assert_allclose(ours, theirs, rtol=1e-12, atol=1e-12 * np.abs(theirs).max())


@pytest.mark.parametrize("momentum", [0.0, 0.5, 0.9])
@pytest.mark.parametrize("optimizer", ["sgd", "momentum", "nesterov"])
def test_critical_and_best_rates_are_those_of_theory(
    browser: Chrome, pages: Any, optimizer: str, momentum: float
) -> None:
    """Against `src.theory`, and against a search for the rate whose largest root is the smallest."""
    browser.get(pages["line"].as_uri())
    script = PLAY + "const values = play.minima[0].eigenvalues, own = {momentum: arguments[1]};"
    script += "return [values, criticalRate(arguments[0], own, values), bestRate(arguments[0], own, values)]"
    values, critical, best = browser.execute_script(script, optimizer, momentum)
    beta = 0.0 if optimizer == "sgd" else momentum
    assert critical == pytest.approx(Method(1.0, beta, nesterov=optimizer == "nesterov").factor * 2 / max(values))

    def slowest(lr: float) -> float:
        maps = Method(lr, beta, nesterov=optimizer == "nesterov").maps(torch.tensor(values, dtype=torch.float64))
        return float(np.abs(np.linalg.eigvals(maps.numpy())).max())

    found = minimize_scalar(slowest, bounds=(0, critical), method="bounded", options={"xatol": 1e-12})
    assert slowest(best) <= found.fun * (1 + 1e-6)
    assert slowest(critical) == pytest.approx(1, abs=1e-6)


def test_the_rates_of_a_line_are_those_in_its_result(browser: Chrome, pages: dict[str, Path]) -> None:
    browser.get(pages["line"].as_uri())
    exact = RunDirectory(pages["line"].parent / "run").read_result()["exact"]
    for kind, rate in (("best", exact["optimal_lr"]), ("critical", exact["critical_lr"])):
        button = browser.find_element(By.CSS_SELECTOR, f".rates button.{kind}")
        assert float(str(button.get_attribute("data-rate"))) == pytest.approx(rate, rel=1e-6)


# as shares of the critical rate: of the steepest axis a step leaves 1 - 2 times that
@pytest.mark.parametrize(("share", "word"), [(0.001, "crawls"), (0.5, "converges"), (0.9, "rings"), (1.02, "diverges")])
def test_verdict_of_theory(browser: Chrome, pages: dict[str, Path], share: float, word: str) -> None:
    browser.get(pages["line"].as_uri())
    script = PLAY + "const own = {lr: arguments[0] * criticalRate('sgd', {}, play.minima[0].eigenvalues)};"
    script += "const path = descend(surface, 'sgd', own, play.start, 1000);"
    script += "return [verdict(play, 'sgd', own, path), path.losses.map((loss) => loss - play.least)]"
    (said, _), above = browser.execute_script(script, share)
    assert said == word
    assert (above[-1] > above[0]) == (word == "diverges")
    assert (above[-1] < 1e-4 * above[0]) == (word in ("converges", "rings"))


def told(browser: Chrome, selector: str) -> str:
    return str(browser.find_element(By.CSS_SELECTOR, selector).text)


@pytest.mark.parametrize("problem", PROBLEMS)
def test_knobs_change_path_loss_and_verdict_at_once(opened: Callable[[str], Chrome], problem: str) -> None:
    browser = opened(problem)
    canvases = "return ['.over', '.losses'].map((one) => document.querySelector(one).toDataURL())"
    seen = [browser.execute_script(canvases)]
    words = {told(browser, ".word")}
    rate = browser.find_element(By.CSS_SELECTOR, "input[name=lr]")
    browser.execute_script(MOVE, rate, rate.get_attribute("max"))
    words.add(told(browser, ".word"))
    assert "Diverges" in words
    seen.append(browser.execute_script(canvases))
    press(browser, browser.find_element(By.CSS_SELECTOR, "input[value=adam]"))
    assert "no critical rate" in told(browser, ".unknown")
    browser.execute_script(MOVE, rate, "-1")
    words.add(told(browser, ".word"))
    seen.append(browser.execute_script(canvases))
    browser.execute_script(MOVE, browser.find_element(By.CSS_SELECTOR, "input[name=momentum]"), "0.3")
    seen.append(browser.execute_script(canvases))
    assert len(words) > 1
    assert [len({one[which] for one in seen}) for which in (0, 1)] == [4, 4]
    press(browser, browser.find_element(By.CSS_SELECTOR, ".reset"))
    assert browser.execute_script(canvases) == seen[0]
    assert complaints(browser) == []


def test_the_start_is_dragged_and_moved_by_keys(opened: Callable[[str], Chrome]) -> None:
    browser = opened("line")
    handle = browser.find_element(By.CSS_SELECTOR, ".handle")
    browser.execute_script("arguments[0].scrollIntoView({block: 'center', behavior: 'instant'})", handle)
    names = [handle.get_attribute("aria-label")]
    before = handle.rect
    ActionChains(browser).drag_and_drop_by_offset(handle, 40, -30).perform()
    names.append(handle.get_attribute("aria-label"))
    assert handle.rect["x"] - before["x"] == pytest.approx(40, abs=2)
    assert handle.rect["y"] - before["y"] == pytest.approx(-30, abs=2)
    handle.send_keys(Keys.ARROW_LEFT)
    names.append(handle.get_attribute("aria-label"))
    assert len(set(names)) == 3
    assert complaints(browser) == []


def test_every_knob_has_a_name_and_takes_keys(opened: Callable[[str], Chrome]) -> None:
    browser = opened("line")
    for name in ("lr", "steps"):
        knob = browser.find_element(By.CSS_SELECTOR, f"input[name={name}]")
        assert knob.accessible_name
        before = told(browser, f"output[data-of={name}]")
        knob.send_keys(Keys.ARROW_LEFT)
        assert told(browser, f"output[data-of={name}]") != before
    first = browser.find_element(By.CSS_SELECTOR, "input[type=radio]:checked")
    first.send_keys(Keys.ARROW_RIGHT)
    assert browser.find_element(By.CSS_SELECTOR, "input[type=radio]:checked") != first


@pytest.mark.parametrize("problem", PROBLEMS)
@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_it_fits_a_phone_and_has_its_colours(opened: Callable[[str], Chrome], problem: str, scheme: str) -> None:
    browser = opened("line")
    features = [{"name": "prefers-color-scheme", "value": scheme}]
    browser.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", PHONE)
    browser.execute_cdp_cmd("Emulation.setEmulatedMedia", {"features": features})
    opened(problem)
    assert browser.execute_script("return [innerWidth, document.documentElement.scrollWidth]") == [360, 360]
    corner = "const canvas = document.querySelector('.ground'); return [...canvas.getContext('2d').getImageData("
    corner += "canvas.width / 2, 40, 1, 1).data].slice(0, 3)"
    until(browser, lambda: (np.mean(browser.execute_script(corner)) > 128) == (scheme == "light"))
    assert complaints(browser) == []
