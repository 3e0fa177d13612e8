"""Sweep directories whose every number is known, written without training."""

import csv
import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

METRICS = ("train/loss", "val/loss", "test/loss")
ENVIRONMENT = {"python": "3.11", "torch": "2.13.0", "command": "python -m src.train -m ..."}


def run(directory: Path, job: Mapping[str, Any]) -> None:
    """A run directory with a straight curve: `start` at step 0 to the final training loss at the last step."""
    (directory / ".hydra").mkdir(parents=True)
    words = [f"{key}={value}" for key, value in job["words"].items()]
    (directory / ".hydra" / "overrides.yaml").write_text("".join(f"- {word}\n" for word in words), encoding="utf-8")
    config = job.get("config", "data:\n  batch_size: full\noptimizer:\n  _target_: torch.optim.SGD\n  lr: 0.01\n")
    (directory / ".hydra" / "config.yaml").write_text(config, encoding="utf-8")
    choices = "hydra:\n  runtime:\n    choices:\n      optimizer: sgd\n"
    (directory / ".hydra" / "hydra.yaml").write_text(choices, encoding="utf-8")
    last, start, losses = job.get("steps", 100), job.get("start", 10.0), job["losses"]
    result = {
        "status": job.get("status", "completed"),
        "reason": "all steps were taken",
        "steps": last,
        "metrics": dict(zip(METRICS, losses, strict=False)),
        "exact": job.get("exact", {}),
        "seconds": {"fit": job.get("seconds", 1.0), "total": 2.0},
        "stack_size": job.get("stack_size", 8),
        "fingerprint": job.get("fingerprint", f"{directory.name:0>16}"),
        "environment": ENVIRONMENT,
    }
    (directory / "result.json").write_text(json.dumps(result), encoding="utf-8")
    end = losses[0] if losses and losses[0] is not None else start
    rows = [(step, float(start + (end - start) * step / last)) for step in range(0, last + 1, last // 10)]
    lines = [f"{step},{loss!r}," + (repr(losses[1]) if step == last and len(losses) > 1 else "") for step, loss in rows]
    (directory / "metrics.csv").write_text("step,train/loss,val/loss\n" + "\n".join(lines) + "\n", encoding="utf-8")


def sweep(directory: Path, jobs: Sequence[Mapping[str, Any]], shown: Sequence[int] | None = None) -> Path:
    """A sweep directory with a `results.csv`.

    Args:
        directory: of the sweep.
        jobs: `words` and `losses` (training, validation, test), and whatever `run` takes, each.
        shown: which have a run directory; all of them where it is left out.
    """
    directory.mkdir(parents=True, exist_ok=True)
    keys = list(dict.fromkeys(key for job in jobs for key in job["words"]))
    with (directory / "results.csv").open("w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file)
        writer.writerow(["job", "status", "reason", *keys, "steps", *METRICS, "confirms", "fingerprint"])
        for number, job in enumerate(jobs):
            status, losses = job.get("status", "completed"), [*job["losses"], None, None][:3]
            ended = status in ("completed", "diverged")
            cells = [job.get("steps", 100), *losses] if ended else [None] * 4
            words = [job["words"].get(key) for key in keys]
            writer.writerow(
                [number, status, job.get("reason", ""), *words, *cells, job.get("confirms"), f"{number:016x}"]
            )
            if ended and (shown is None or number in shown):
                run(directory / str(number), job)
    return directory


def grid(losses: Mapping[tuple[str, float], Sequence[float | None]], **more: Any) -> list[dict[str, Any]]:
    """Jobs of optimizers and rates: validation losses by seed, None where it diverged; the training loss is half."""
    return [
        {
            "words": {"optimizer": name, "optimizer.lr": f"{rate:g}", "seed": str(seed)},
            "losses": [None if loss is None else loss / 2, loss, None],
            "status": "diverged" if loss is None else "completed",
            **more,
        }
        for (name, rate), of_one in losses.items()
        for seed, loss in enumerate(of_one)
    ]
