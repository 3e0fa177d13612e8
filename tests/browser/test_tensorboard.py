"""TensorBoard started for real on a sweep, asked over HTTP what it has read, and looked at in a browser."""

import csv
import json
import re
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any
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
    command = [sys.executable, "-m", "src.board", str(sweep), "--", "--port", "0", "--reload_interval", "1"]
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
    assert "the best run of each of 2 optimizers; all 20 runs in HParams" in printed[0]


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
    return list(until(lambda: len(found := table(address)) == 20 and found, lambda: f"rows: {len(table(address))}"))


def rows(sweep: Path) -> list[dict[str, str]]:
    with (sweep / "results.csv").open(newline="", encoding="utf-8") as file:
        return list(csv.DictReader(file))


def test_hparams_has_a_row_per_run_with_every_swept_key_and_final_loss(address: str, sweep: Path) -> None:
    """Held against results.csv, to the 24 bits of a float32."""
    by_job = {int(re.findall(r"\d+", group["name"])[-1]): group for group in whole(address)}
    for row in rows(sweep):
        group = by_job[int(row["job"])]
        keys = {"optimizer": row["optimizer"], "optimizer.lr": float(row["optimizer.lr"]), "seed": float(row["seed"])}
        assert group["hparams"] == keys | ({"confirms": float(row["confirms"])} if row["confirms"] else {})
        losses = {metric["name"]["tag"].removeprefix("final/"): metric["value"] for metric in group["metricValues"]}
        assert losses == {name: pytest.approx(float(row[name]), rel=2**-23) for name in LOSSES}
        assert group["sessions"][0]["status"] == "STATUS_SUCCESS"


def test_curves_are_those_of_the_best_run_of_each_optimizer(address: str, sweep: Path) -> None:
    assert len(whole(address)) == 20
    tags = asked(address, "plugin/scalars/tags")
    with_curves = sorted(run for run in tags if "val/loss" in tags[run])
    for run, optimizer in zip(with_curves, ("adam", "sgd"), strict=True):
        searched = [row for row in rows(sweep) if row["optimizer"] == optimizer and not row["confirms"]]
        sums: dict[str, float] = {}
        for row in searched:
            sums[row["optimizer.lr"]] = sums.get(row["optimizer.lr"], 0) + float(row["val/loss"])
        lr = min(sums, key=lambda lr: sums[lr])  # the interquartile mean of two seeds is their mean
        best = min(searched, key=lambda row: (row["optimizer.lr"] != lr, float(row["val/loss"])))
        assert run == f"{optimizer} lr={lr}, run {best['job']}"
        assert {"train/loss", "val/loss", "theory/exact_loss"} <= tags[run].keys()
        with (sweep / best["job"] / "metrics.csv").open(newline="", encoding="utf-8") as file:
            curve = [(int(row["step"]), float(row["train/loss"])) for row in csv.DictReader(file) if row["train/loss"]]
        path = f"plugin/scalars/scalars?tag=train%2Floss&run={run.replace(' ', '%20').replace('=', '%3D')}"
        points = asked(address, path)
        assert [(step, value) for _, step, value in points] == [
            (step, pytest.approx(loss, rel=2**-23)) for step, loss in curve
        ]


def test_the_page_lists_the_curves(browser: Chrome, address: str) -> None:
    names = [group["name"] for group in whole(address)]
    browser.get(f"{address}/?tagFilter=%5E(train|val|theory)%2F#timeseries")
    tags = ["train/loss", "val/loss", "theory/exact_loss", "theory/predicted_loss"]

    def missing() -> list[str]:
        told = "".join(browser.execute_script(TEXT))  # a tag's last part is a text of its own
        return [word for word in [*tags, *names] if word not in told]

    until(lambda: not missing(), lambda: f"not shown: {missing()}")


def test_the_page_lists_the_rows_of_hparams(browser: Chrome, address: str, sweep: Path) -> None:
    """Held against results.csv, to the 5 digits that are shown."""
    names = {int(re.findall(r"\d+", group["name"])[-1]): group["name"] for group in whole(address)}
    browser.get(f"{address}/?#hparams")

    def cells(name: str) -> list[str]:
        told = browser.execute_script(TEXT)
        return list(told[told.index(name) + 1 :]) if name in told else []

    until(lambda: cells(names[19]), lambda: f"{names[19]} is not shown")
    head = cells("Show Metrics")
    assert head[:7] == ["confirms", "optimizer", "optimizer.lr", "seed", *(f"final/{name}" for name in LOSSES)]
    for row in rows(sweep):
        words, numbers = [row["optimizer"]], [row["optimizer.lr"], row["seed"], *(row[name] for name in LOSSES)]
        shown = cells(names[int(row["job"])])[(1 if row["confirms"] else 0) :]
        assert shown[:1] == words
        assert [float(cell) for cell in shown[1:6]] == [pytest.approx(float(one), rel=5e-5) for one in numbers]
