"""Debian's chromium without a window, and what it looks at: a small sweep and a race, trained once for all workers."""

import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from filelock import FileLock
from selenium import webdriver
from selenium.webdriver.chrome.service import Service

from src.report.__main__ import report

ROOT = Path(__file__).resolve().parents[2]
SWEEP = [
    "optimizer=sgd,adam",
    "optimizer.lr=0.01,0.1,0.5",
    "seed=range(0,2)",
    "confirm_seeds=4",
    "trainer.max_steps=60",
    "trainer.log_every_n_steps=5",
    "trainer.val_every_n_steps=20",
]
RACE = ["sweep=race", "hydra.sweeper.points=3", "trainer.max_steps=40", "trainer.val_every_n_steps=40"]
FLAGS = (
    "--headless=new",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-dev-shm-usage",
    "--disable-background-networking",
)


def found(*names: str) -> str | None:
    return next((path for name in names if (path := shutil.which(name))), None)


@pytest.fixture(scope="session")
def chromium() -> tuple[str, str]:
    """The browser and its driver."""
    browser, driver = found("chromium", "chromium-browser", "google-chrome"), found("chromedriver")
    if browser is None or driver is None:
        told = "there is no chromium here with its driver: apt-get install chromium chromium-driver"
        # where a browser was promised, as in CI, nothing may be skipped in silence
        (pytest.fail if os.environ.get("BROWSER_TESTS") == "required" else pytest.skip)(told)
    return browser, driver


@pytest.fixture(scope="session")
def driver(chromium: tuple[str, str]) -> Iterator[webdriver.Chrome]:
    options = webdriver.ChromeOptions()
    options.binary_location = chromium[0]
    for flag in (*FLAGS, "--window-size=1280,1000"):
        options.add_argument(flag)
    options.set_capability("goog:loggingPrefs", {"browser": "ALL", "performance": "ALL"})
    browser = webdriver.Chrome(options=options, service=Service(chromium[1]))
    browser.set_page_load_timeout(60)
    yield browser
    browser.quit()


@pytest.fixture
def browser(driver: webdriver.Chrome) -> Iterator[webdriver.Chrome]:
    """A wide, light window in which nothing has happened yet."""
    driver.get("about:blank")
    for kind in ("browser", "performance"):
        driver.get_log(kind)
    yield driver
    driver.execute_cdp_cmd("Emulation.clearDeviceMetricsOverride", {})
    driver.execute_cdp_cmd("Emulation.setEmulatedMedia", {"features": []})


def made(factory: pytest.TempPathFactory, name: str, words: list[str]) -> Path:
    """A sweep directory and its report, made by the first worker that asks."""
    base = factory.getbasetemp()
    shared = base.parent if "PYTEST_XDIST_WORKER" in os.environ else base
    directory = shared / name / "outputs" / "sweeps" / name  # each alone, for TensorBoard to look at
    with FileLock(shared / f"{name}.lock"):
        if not (directory / "report.html").is_file():
            command = [sys.executable, "-m", "src.train", "-m", *words, f"hydra.sweep.dir={directory}"]
            done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=300)
            assert done.returncode == 0, done.stderr
            report([directory])
    return directory


@pytest.fixture(scope="session")
def sweep(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """2 optimizers x 3 learning rates x 2 seeds, and 4 seeds more for each winner."""
    return made(tmp_path_factory, "small", SWEEP)


@pytest.fixture(scope="session")
def race(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """6 optimizers on a surface."""
    return made(tmp_path_factory, "race", RACE)
