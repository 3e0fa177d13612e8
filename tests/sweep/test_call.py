"""What the jobs of a command have in common, and what they vary."""

from pathlib import Path

import pytest

from src.config.schema import flat
from src.errors import LabError
from src.sweep.call import Call, Job, ask, swept_keys, words_of
from src.sweep.jobs import Composer

QUIET = "logger=none"


def asked(jobs: list[list[str]], *typed: str) -> tuple[list[Job], Call]:
    return ask([[QUIET, *job] for job in jobs], [QUIET, *typed], {"optimizer": "sgd"}, Composer())


def test_what_is_shared_and_what_varies() -> None:
    grid = [[f"optimizer={name}", f"seed={seed}", "data.rows=50"] for name in ("sgd", "adam") for seed in (0, 1)]
    jobs, call = asked(grid, "optimizer=sgd,adam", "seed=0,1", "data.rows=50")
    assert call.shared == [QUIET, "data.rows=50"]
    assert call.keys == ["optimizer", "seed"]
    assert [job.swept for job in jobs] == [tuple(words[:2]) for words in grid]
    assert call.common["data.rows"] == 50
    assert set(call.varying) == {
        *("data.seed", "data.shuffle_seed", "model.seed"),
        *("optimizer._target_", "optimizer.lr", "optimizer.betas", "optimizer.eps"),
    }
    assert len({job.fingerprint for job in jobs}) == 4


@pytest.mark.parametrize(
    ("words", "open_"),
    [
        (["seed=range(0,1)"], ["data.seed", "model.seed", "data.shuffle_seed"]),
        (["seed=range(0,1)", "data.seed=5"], ["model.seed", "data.shuffle_seed"]),
        (["data=choice(line)"], ["data.rows", "data.noise"]),
    ],
)
def test_one_value_of_a_range_is_swept_as_well(words: list[str], open_: list[str]) -> None:
    """A range that has one value now may have others next time; a seed takes along what is taken from it."""
    values = [word.replace("range(0,1)", "0").replace("choice(line)", "line") for word in words]
    _, call = asked([values], *words)
    kept = {"data.seed", "model.seed", "data.shuffle_seed", "data.rows", "data.noise"}
    assert {key for key in kept if call.leaves_open(key)} == set(open_) | (
        {"data.seed", "data.shuffle_seed"} if "data=choice(line)" in words else set()
    )


def test_every_mistake_once() -> None:
    with pytest.raises(LabError) as error:
        asked([[f"optimizer.lr={lr}", f"data.rows={rows}"] for lr in (-1, 1) for rows in (0, 5)])
    assert str(error.value) == (
        "data.rows=0: must be greater than 0 (2 of 4 jobs); optimizer.lr=-1: must be greater than 0 (2 of 4 jobs)"
    )
    with pytest.raises(LabError) as error:
        asked([[f"optimizer.lr=-{lr}"] for lr in range(1, 14)])
    assert str(error.value).endswith("optimizer.lr=-10: must be greater than 0 (1 of 13 jobs); and 3 more")
    with pytest.raises(LabError, match=r"already.*\(2 of 3 jobs: optimizer=adamw,muon\)$"):
        asked([[f"optimizer={name}", "+optimizer.weight_decay=0.1"] for name in ("sgd", "adamw", "muon")])
    with pytest.raises(LabError, match=r"data\.rows=0: must be greater than 0$"):
        asked([["data.rows=0"]])


def test_a_run_from_a_checkpoint_is_another_run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    for name in ("a.ckpt", "b.ckpt"):
        (tmp_path / name).touch()
    jobs, _ = asked([["seed=1"], ["seed=1", "ckpt_path=a.ckpt"], ["seed=1", "ckpt_path=b.ckpt"]])
    assert len({job.fingerprint for job in jobs}) == 3


def test_which_words_have_several_values() -> None:
    words = [
        "seed=range(0,1)",
        "+optimizer.rho=0.1,0.2",
        "optimizer.lr=interval(0,1)",
        "data.rows=5",
        "callbacks=[a,b]",
    ]
    assert swept_keys(words) == {"seed", "optimizer.rho", "optimizer.lr"}


def test_nested_keys_joined_by_dots() -> None:
    assert flat({"a": {"b": 1, "c": {"d": [1, 2]}}, "e": {}}) == {"a.b": 1, "a.c.d": [1, 2], "e": {}}


def test_what_one_command_says_for_all_its_jobs_is_not_open_in_the_other():
    composer = Composer()
    typed = ["optimizer=sgd,adam"]
    _, before = ask([("optimizer=sgd",), ("optimizer=adam",)], typed, {}, composer)
    same = [("optimizer=sgd", "optimizer.lr=0.5"), ("optimizer=adam", "optimizer.lr=0.5")]
    _, now = ask(same, [*typed, "optimizer.lr=0.5"], {}, composer)
    assert now.differences(before) == ["optimizer.lr (not the same for all then, 0.5 now)"]
    assert before.differences(now) == ["optimizer.lr (0.5 then, not the same for all now)"]
    swept = [("optimizer=sgd", f"optimizer.lr={rate}") for rate in (0.5, 0.1)]
    _, wider = ask(swept, ["optimizer=sgd", "optimizer.lr=0.5,0.1"], {}, composer)
    assert wider.differences(before) == []


def test_a_value_that_only_a_later_command_sweeps_is_told_whole() -> None:
    """Cut, as in a sentence, it would be another setting than the same value of the later command."""
    path = f"data/{'long' * 20}.csv"
    call = Call([f"data.path={path}"], [], [], {"data.path": path}, [], {})
    assert words_of((), call, ["data.path"]) == {"data.path": path}
