"""What a sweep tells on the way: a bar on a terminal, elsewhere a line now and then."""

import io
from types import SimpleNamespace
from typing import Any

import pytest
from rich.console import Console

from src.sweep import progress
from src.sweep.progress import SweepBar, names

LENGTH = SimpleNamespace(trainer=SimpleNamespace(max_steps=100), optimizer=SimpleNamespace(target_="torch.optim.SGD"))


def plan(*stacks: str, finished: int = 0) -> Any:
    """Stacks of runs: `"optimizer=sgd seed=1|optimizer=sgd seed=2"` is one of two."""
    words = [[tuple(run.split()) for run in stack.split("|")] for stack in stacks]
    jobs = [SimpleNamespace(words=run, swept=run, config=LENGTH) for stack in words for run in stack]
    positions, cut = iter(range(len(jobs))), []
    for number, stack in enumerate(words):
        cut.append(SimpleNamespace(number=7 + number, runs=[next(positions) for _ in stack]))
    return SimpleNamespace(jobs=jobs, stacks=cut, entries=[None] * (len(jobs) + finished), finished=finished)


def shown(monkeypatch: pytest.MonkeyPatch, terminal: bool, pause: float = 0) -> str:
    """What is written on the way through two stacks, of which the second diverges early."""
    file, clock = io.StringIO(), iter(range(0, 1000, 10))

    def console(**given: Any) -> Console:
        return Console(**given | {"file": file}, force_terminal=terminal, width=100)

    monkeypatch.setattr(progress, "Console", console)
    monkeypatch.setattr(progress, "monotonic", lambda: next(clock))
    monkeypatch.setattr(progress, "SOON", pause)
    monkeypatch.setattr(progress, "EVERY", pause + 15)
    of_two = plan("optimizer=sgd seed=1|optimizer=sgd seed=2", "optimizer=adam seed=1", finished=1)
    with SweepBar("confirming", of_two) as bar:
        bar.begin(7)
        bar.tell(0, 100)
        bar._progress.refresh()
        bar.tell(2, 100)
        bar._progress.refresh()
        bar.settle(7, 3, 100)
        bar.begin(8)
        bar.tell(1, 60)
        bar.settle(8, 4, 0)
        assert (bar.done, bar._progress.tasks[0].completed, bar._progress.tasks[0].total) == (4, 260, 260)
        bar._progress.refresh()
    return file.getvalue()


def test_the_bar_names_phase_optimizer_and_stack(monkeypatch: pytest.MonkeyPatch) -> None:
    text = shown(monkeypatch, terminal=True)
    assert "confirming sgd, stack 1 of 2" in text
    assert "1/4 runs" in text
    assert "confirming adam, stack 2 of 2" in text
    assert "4/4 runs" in text
    assert "run-steps/s" in text


def test_without_a_terminal_there_is_a_line_now_and_then(monkeypatch: pytest.MonkeyPatch) -> None:
    assert shown(monkeypatch, terminal=False).strip().splitlines() == [
        "confirming sgd, stack 1 of 2: 1 of 4 runs done",
        "confirming sgd, stack 1 of 2: 3 of 4 runs done, about 15 s left",
        "confirming adam, stack 2 of 2: 3 of 4 runs done, about 25 s left",
        "confirming adam, stack 2 of 2: 4 of 4 runs done",
    ]


def test_a_short_sweep_is_silent_without_a_terminal(monkeypatch: pytest.MonkeyPatch) -> None:
    assert shown(monkeypatch, terminal=False, pause=1000).strip() == ""


def test_of_several_stacks_at_once_there_is_how_many(monkeypatch: pytest.MonkeyPatch) -> None:
    bar = SweepBar("training", plan("optimizer=sgd seed=1", "optimizer=adam seed=1", "optimizer=adam seed=2"))
    bar.begin(7)
    bar.begin(8)
    assert bar._where() == "2 stacks at once, 0 of 3 done"
    bar.settle(8, 1, 200)
    assert bar._where() == "sgd, stack 2 of 3"


@pytest.mark.parametrize(
    ("stacks", "told"),
    [
        (["optimizer=sgd optimizer.lr=1 seed=1|optimizer=momentum optimizer.lr=2 seed=1"], ["sgd and momentum"]),
        (["seed=1|seed=2"], ["SGD"]),
        (["optimizer._target_=a.Mine +optimizer.rho=1", "optimizer=adam"], ["Mine", "adam"]),
        (["data.batch_size=8 optimizer.lr=1", "data.batch_size=1 optimizer.lr=2"],
         ["SGD, batch_size=8", "SGD, batch_size=1"]),
        (["optimizer=a data=line|optimizer=b data=line|optimizer=c data=line", "optimizer=a data=table"],
         ["3 optimizers, data=line", "a, data=table"]),
    ],
)  # fmt: skip
def test_what_tells_stacks_apart(stacks: list[str], told: list[str]) -> None:
    assert list(names(plan(*stacks)).values()) == told
