"""Write down what the code computes: `python -m tests.golden.record FILE [--only PATTERN]`.

Whatever is read back is of the files that a run leaves, never of the code that wrote them.
"""

import argparse
import csv
import hashlib
import json
import os
import re
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, redirect_stderr, redirect_stdout
from pathlib import Path
from typing import Any

import torch
from hydra.core.global_hydra import GlobalHydra
from hydra.core.hydra_config import HydraConfig

from src import train
from src.errors import LabError
from src.run import run
from tests.golden.cases import Case, all_cases
from tests.golden.hooks import FILE as HOOKS

RECORD = Path(__file__).with_name("record.json")
QUIET = ("logger=none", "callbacks.progress_bar=null")
CHECKPOINT_KEYS = ("state_dict", "optimizer_states", "lr_schedulers", "global_step")
"""What a run goes on from; the other keys are a layout, and may change."""

RESULT_KEYS = ("status", "reason", "steps", "metrics", "parameters", "exact", "features", "targets", "truth")
"""Of `result.json`, without times, versions and hashes of configs."""


def machine() -> dict[str, str]:
    """What bits depend on beside the code."""
    try:
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
    except OSError:
        lines = []
    names = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
    instructions = torch.backends.cpu.get_cpu_capability()
    return {"torch": torch.__version__, "processor": names[0] if names else "unknown", "instructions": instructions}


def record(case: Case, folder: Path) -> dict[str, Any]:
    """Train a case in an empty folder; its words, and what is in each run directory by name."""
    table(folder / "table.csv")
    with _inside(folder):
        if case.sweep:
            status = _sweep(case.words, folder / "sweep")
            directories = sorted(path.parent for path in (folder / "sweep").glob("*/.hydra"))
            runs = {path.name: read(path) for path in directories}
            return {"words": _words(case), "exit": status, "runs": runs}
        going_on = () if not case.before else (f"ckpt_path={_before(case.before, folder / 'before')}",)
        hooks = ("+callbacks.recorder._target_=tests.golden.hooks.Recorder",) if case.hooks else ()
        run([*QUIET, *case.words, *going_on, *hooks, f"hydra.run.dir={folder / 'run'}"])
        return {"words": _words(case), "runs": {"run": read(folder / "run")}}


def _words(case: Case) -> str:
    return " ".join((*case.before, "then", *case.words) if case.before else case.words)


def _before(words: Sequence[str], directory: Path) -> Path:
    """The checkpoint of a run that is gone on from, whether it crashed or not."""
    try:
        run([*QUIET, *words, f"hydra.run.dir={directory}"])
    except LabError as error:
        if "power cut" not in str(error):
            raise
    return directory / "checkpoints" / "last.ckpt"


def _sweep(words: Sequence[str], directory: Path) -> int:
    """A multirun in this process, as the command line starts it; its exit status."""
    sys.argv = ["src/train.py", "-m", *QUIET, *words, "hydra.sweeper.report=false", f"hydra.sweep.dir={directory}"]
    try:
        train.main()
    except SystemExit as end:
        return end.code if isinstance(end.code, int) else 1
    return 0


@contextmanager
def _inside(folder: Path) -> Iterator[None]:
    """Work in `folder`, in silence, and put back what Hydra and a command leave changed."""
    there, argv, path, environment = Path.cwd(), sys.argv, [*sys.path], dict(os.environ)
    config, hydra = HydraConfig.instance().cfg, GlobalHydra.instance().hydra
    os.chdir(folder)
    try:
        with (
            (folder / "shown.txt").open("w", encoding="utf-8") as shown,
            redirect_stdout(shown),
            redirect_stderr(shown),
        ):
            yield
    except BaseException:
        print((folder / "shown.txt").read_text(encoding="utf-8"), file=sys.stderr)
        raise
    finally:
        os.chdir(there)
        sys.argv, sys.path[:] = argv, path
        os.environ.clear()
        os.environ.update(environment)
        HydraConfig.instance().cfg, GlobalHydra.instance().hydra = config, hydra


def table(path: Path) -> None:
    """60 flats without chance: area, rooms and a price that is nearly linear in both."""
    lines = ["area,rooms,price"]
    for row in range(60):
        area, rooms = 30 + (row * 37) % 90, 1 + (row * 7) % 5
        lines.append(f"{area},{rooms},{2500 * area + 9000 * rooms + (row * row * 131) % 7001}")
    path.write_text("\n".join(lines) + "\n", encoding="utf-8")


def read(directory: Path) -> dict[str, Any]:
    """What is in a run directory."""
    found: dict[str, Any] = {}
    if (directory / "result.json").is_file():
        result = json.loads((directory / "result.json").read_text(encoding="utf-8"))
        found["result"] = {key: result[key] for key in RESULT_KEYS}
        for key in ("metrics", "exact"):  # what follows from the losses is no record of its own
            found["result"][key] = {k: v for k, v in result[key].items() if "/rmse" not in k and "/r2" not in k}
    if (directory / "metrics.csv").is_file():
        found["curves"] = curves(directory / "metrics.csv")
    for path in sorted((directory / "checkpoints").glob("*.ckpt")):
        whole = torch.load(path, map_location="cpu", weights_only=True)
        found[path.name] = {key: bits(whole[key]) for key in CHECKPOINT_KEYS}
    if "best.ckpt" in found and found["best.ckpt"] == found.get("last.ckpt"):
        found["best.ckpt"] = "as last.ckpt"  # often so, and the record is to stay small
    if (directory / HOOKS).is_file():
        found["hooks"] = " ".join(json.loads((directory / HOOKS).read_text(encoding="utf-8")))
    return found


def curves(path: Path) -> dict[str, Any]:
    """How many rows, a hash of all of them (whatever the order of columns), and three in full."""
    with path.open(newline="", encoding="utf-8") as file:
        rows = [{name: float(cell) for name, cell in row.items() if cell} for row in csv.DictReader(file)]
    kept = {"first": rows[0], "middle": rows[len(rows) // 2], "last": rows[-1]} if rows else {}
    return {"rows": len(rows), "hash": _hash(json.dumps(rows, sort_keys=True).encode()), **kept}


def bits(value: Any) -> Any:
    """The same, with a hash of dtype, shape and bytes in place of each tensor."""
    if isinstance(value, torch.Tensor):
        head = f"{value.dtype} {tuple(value.shape)} ".encode()
        return _hash(head + value.detach().numpy().tobytes())
    if isinstance(value, Mapping):
        return {str(key): bits(inner) for key, inner in value.items()}
    if isinstance(value, list | tuple):
        return [bits(inner) for inner in value]
    return value if isinstance(value, int | float | str | None) else repr(value)


def _hash(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()[:16]


def write(path: Path, cases: Mapping[str, Any]) -> None:
    """A line a case, so that a diff of two records shows which cases differ."""
    lines = [f"{json.dumps(name)}: {json.dumps(one, separators=(',', ':'))}" for name, one in cases.items()]
    body = ",\n".join(lines)
    path.write_text(f'{{"machine": {json.dumps(machine())},\n"cases": {{\n{body}\n}}}}\n', encoding="utf-8")


def main() -> None:
    """The command."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("file", type=Path, help="the JSON to write")
    parser.add_argument("--only", default="", metavar="PATTERN", help="a regular expression, found in a case's name")
    asked = parser.parse_args()
    torch.set_num_threads(1)
    start, done = time.perf_counter(), {}
    for case in all_cases():
        if re.search(asked.only, case.name):
            with tempfile.TemporaryDirectory() as folder:
                try:
                    done[case.name] = record(case, Path(folder).resolve())
                except Exception:
                    print(case.name, _words(case), file=sys.stderr)
                    raise
    write(asked.file, done)
    print(f"{len(done)} cases in {time.perf_counter() - start:.0f} s: {asked.file}")


if __name__ == "__main__":
    main()
