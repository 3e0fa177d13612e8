"""TensorBoard started for real on a sweep, asked over HTTP what it has read, and looked at in a browser."""

import csv
import json
import math
import re
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any
from urllib.parse import urlencode
from urllib.request import Request, urlopen

import pytest
from selenium.common.exceptions import TimeoutException
from selenium.webdriver import Chrome
from selenium.webdriver.support.ui import WebDriverWait

ROOT = Path(__file__).resolve().parents[2]
LOSSES = ("train/loss", "val/loss", "test/loss")
STATUSES = ["STATUS_UNKNOWN", "STATUS_SUCCESS", "STATUS_FAILURE", "STATUS_RUNNING"]
TEXT = """
const told = [];
const visit = (node) => {
  if (node.nodeType === 3) told.push(node.textContent.trim());
  if (["STYLE", "SCRIPT", "TEMPLATE"].includes(node.nodeName)) return;
  for (const child of [...(node.shadowRoot?.childNodes ?? []), ...node.childNodes]) visit(child);
};
visit(document.body);
return told.filter((text) => text);
"""


@pytest.fixture(scope="module")
def address(sweep: Path) -> Iterator[str]:
    """Where TensorBoard listens."""
    words = ["--logdir", str(sweep.parent), "--port", "0", "--reload_interval", "1"]
    command = [sys.executable, "-m", "tensorboard.main", *words]
    with subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True) as process:
        assert process.stdout is not None
        printed = []
        try:
            for line in process.stdout:
                printed.append(line)
                if found := re.search(r"http://\S+", line.partition(" at ")[2]):
                    yield found[0].rstrip("/")
                    break
            else:
                pytest.fail(f"TensorBoard did not start: {''.join(printed)}")
        finally:
            process.terminate()


def asked(address: str, path: str, **body: Any) -> Any:
    content = json.dumps(body).encode() if body else None
    request = Request(f"{address}/data/{path}", content, {"Content-Type": "application/json"})
    with urlopen(request, timeout=30) as answer:
        return json.load(answer)


def table(address: str) -> list[dict[str, Any]]:
    columns = [{"metric": {"tag": f"final/{name}", "group": ""}} for name in LOSSES]
    found = asked(
        address,
        "plugin/hparams/session_groups",
        experimentName="",
        colParams=columns,
        allowedStatuses=STATUSES,
        sliceSize=1000,
        startIndex=0,
        aggregationType="AGGREGATION_AVG",
    )
    return list(found["sessionGroups"])


def until(seen: Callable[[], Any], otherwise: Callable[[], str], seconds: float = 60) -> Any:
    """What `seen` gives once it is something."""
    try:
        # what is waited for need not be in a browser
        waiting = WebDriverWait(None, seconds, poll_frequency=0.2)  # type: ignore[type-var]
        return waiting.until(lambda _: seen())
    except TimeoutException:
        pytest.fail(otherwise())


def whole(address: str) -> list[dict[str, Any]]:
    """The table once TensorBoard has read it."""
    return list(until(lambda: len(found := table(address)) == 6 and found, lambda: f"rows: {len(table(address))}"))


def rows(sweep: Path) -> list[dict[str, str]]:
    with (sweep / "results.csv").open(newline="", encoding="utf-8") as file:
        return list(csv.DictReader(file))


def settings(sweep: Path) -> dict[str, list[dict[str, str]]]:
    """The rows of each setting, confirmations not among them, by what it is called."""
    found: dict[str, list[dict[str, str]]] = {}
    for row in rows(sweep):
        if not row["confirms"]:
            found.setdefault(f"{row['optimizer']} lr={row['optimizer.lr']}", []).append(row)
    return found


def mean(of_one: list[dict[str, str]], loss: str) -> float:
    """The geometric mean over seeds."""
    return math.exp(sum(math.log(float(row[loss])) for row in of_one) / len(of_one))


def best(sweep: Path) -> list[str]:
    """Of each optimizer the setting of the lowest validation loss."""
    found = settings(sweep)
    return [
        min((name for name in found if name.startswith(optimizer)), key=lambda name: mean(found[name], "val/loss"))
        for optimizer in ("adam", "sgd")
    ]


def test_hparams_has_a_row_a_setting_with_its_words_and_losses(address: str, sweep: Path) -> None:
    """Held against results.csv, to the 24 bits of a float32."""
    groups = {group["sessions"][0]["name"]: group for group in whole(address)}
    assert groups.keys() == {f"{sweep.name}/tensorboard/settings/{name}" for name in settings(sweep)}
    for name, of_one in settings(sweep).items():
        group = groups[f"{sweep.name}/tensorboard/settings/{name}"]
        assert group["hparams"] == {
            "optimizer": of_one[0]["optimizer"],
            "optimizer.lr": float(of_one[0]["optimizer.lr"]),
        }
        losses = {metric["name"]["tag"].removeprefix("final/"): metric["value"] for metric in group["metricValues"]}
        assert losses == {loss: pytest.approx(mean(of_one, loss), rel=2**-22) for loss in LOSSES}
        assert group["sessions"][0]["status"] == "STATUS_SUCCESS"


def test_curves_are_those_of_the_best_settings_every_seed(address: str, sweep: Path) -> None:
    assert len(whole(address)) == 6
    tags = asked(address, "plugin/scalars/tags")
    expected: dict[str, dict[str, str]] = {}
    for name in best(sweep):
        searched = settings(sweep)[name]
        expected |= {f"{name}/seed={row['seed']}": row for row in searched}
        confirming = [row for row in rows(sweep) if row["confirms"] == searched[0]["job"]]
        assert len(confirming) == 4
        expected |= {f"{name}/confirmed seed={row['seed']}": row for row in confirming}
    folder = f"{sweep.name}/tensorboard"
    assert {run for run in tags if "val/loss" in tags[run]} == {f"{folder}/{name}" for name in expected}
    for name, row in expected.items():
        assert {"train/loss", "val/loss", "theory/exact_loss"} <= tags[f"{folder}/{name}"].keys()
        with (sweep / row["job"] / "metrics.csv").open(newline="", encoding="utf-8") as file:
            curve = [(int(one["step"]), float(one["train/loss"])) for one in csv.DictReader(file) if one["train/loss"]]
        points = asked(address, f"plugin/scalars/scalars?{urlencode({'tag': 'train/loss', 'run': f'{folder}/{name}'})}")
        assert [(step, value) for _, step, value in points] == [
            (step, pytest.approx(loss, rel=2**-23)) for step, loss in curve
        ]


def test_the_page_lists_the_curves(browser: Chrome, address: str, sweep: Path) -> None:
    whole(address)
    names = [f"{sweep.name}/tensorboard/{name}/seed=0" for name in best(sweep)]
    browser.get(f"{address}/?tagFilter=%5E(train|val|theory)%2F#timeseries")
    tags = ["train/loss", "val/loss", "theory/exact_loss", "theory/predicted_loss"]

    def missing() -> list[str]:
        told = "".join(browser.execute_script(TEXT))  # a tag's last part is a text of its own
        return [word for word in [*tags, *names] if word not in told]

    until(lambda: not missing(), lambda: f"not shown: {missing()}")


def test_the_page_lists_the_rows_of_hparams(browser: Chrome, address: str, sweep: Path) -> None:
    """Held against results.csv, to the 5 digits that are shown."""
    names = {name: f"{sweep.name}/tensorboard/settings/{name}" for name in settings(sweep)}
    whole(address)
    browser.get(f"{address}/?#hparams")

    def cells(name: str) -> list[str]:
        told = browser.execute_script(TEXT)
        return list(told[told.index(name) + 1 :]) if name in told else []

    until(lambda: all(map(cells, names.values())), lambda: f"not all of {names.values()} are shown")
    head = cells("Show Metrics")
    columns = head[:5]  # in an order of TensorBoard's own
    assert set(columns) == {"optimizer", "optimizer.lr", *(f"final/{name}" for name in LOSSES)}
    for name, of_one in settings(sweep).items():
        shown = dict(zip(columns, cells(names[name]), strict=False))
        assert shown["optimizer"] == of_one[0]["optimizer"]
        numbers = {"optimizer.lr": float(of_one[0]["optimizer.lr"])}
        numbers |= {f"final/{loss}": mean(of_one, loss) for loss in LOSSES}
        assert {key: float(shown[key]) for key in numbers} == pytest.approx(numbers, rel=5e-5)
