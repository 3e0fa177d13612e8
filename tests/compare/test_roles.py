"""What is compared, tuned, and a problem of its own, whatever it is called."""

import pytest

from src.compare.roles import noun, roles_of
from src.compare.selection import contenders
from tests.compare.sweeps import grid, run


def labels(*words: str) -> list[str]:
    """Of runs with these words what is compared."""
    return [one.label for one in contenders([run(job, one) for job, one in enumerate(words)])]


@pytest.mark.parametrize(
    ("words", "found"),
    [
        # optimizers before all else; the rest is tuned
        (["optimizer=sgd scheduler=none", "optimizer=adam scheduler=cosine"], ["sgd", "adam"]),
        (["scheduler=none optimizer.lr=1", "scheduler=cosine optimizer.lr=2"], ["scheduler=none", "scheduler=cosine"]),
        (["model.hidden=8 data.batch_size=1", "model.hidden=32 data.batch_size=1"], ["hidden=8", "hidden=32"]),
        (["data.batch_size=8", "data.batch_size=full"], ["batch_size=8", "batch_size=full"]),
        ([f"trainer.gradient_clip_val={clip}" for clip in (1, 2)], [f"gradient_clip_val={clip}" for clip in (1, 2)]),
        (["optimizer.betas=[0.8,0.9]", "optimizer.betas=[0.9,0.999]"], ["betas=[0.8,0.9]", "betas=[0.9,0.999]"]),
        (["model._target_=mine.Net", "model._target_=mine.Other"], ["Net", "Other"]),
        (["model=linear", "model=deep model.hidden=8", "model=deep model.hidden=9"], ["model=linear", "model=deep"]),
        # numbers of the optimizer and of its schedule are tuned, and so is what is drawn
        (["optimizer=sgd optimizer.momentum=0", "optimizer=sgd optimizer.momentum=0.9"], ["sgd"]),
        (["optimizer=sgd scheduler.gamma=0.5", "optimizer=sgd scheduler.gamma=0.9"], ["sgd"]),
        ([f"optimizer=sgd trainer.gradient_clip_val={1 / draw}" for draw in range(1, 14)], ["sgd"]),
        # losses of other data, other losses and other surfaces are not to be compared
        (["optimizer=sgd data.noise=1", "optimizer=sgd data.noise=2"], ["sgd", "sgd"]),
        (["loss=squares optimizer=sgd", "loss=custom optimizer=sgd"], ["sgd", "sgd"]),
        # the first that was typed
        (["scheduler=a model.hidden=1", "scheduler=b model.hidden=2"], ["scheduler=a", "scheduler=b"]),
    ],
)  # fmt: skip
def test_what_is_compared(words: list[str], found: list[str]) -> None:
    assert labels(*words) == found


def test_what_is_tuned_and_what_is_the_problem() -> None:
    words = (
        "model.hidden=8 optimizer=sgd +optimizer.rho=1 scheduler=cosine scheduler.eta_min=0 "
        "trainer.gradient_clip_val=1 data.batch_size=4 trainer.max_steps=9 "
        "data.seed=1 model.seed=1 data.shuffle_seed=1 seed=1"
    )
    (winner,) = contenders([run(0, words)])
    assert winner.problem == {"model.hidden": "8", "trainer.max_steps": "9"}
    assert list(winner.best.tuned) == [
        "+optimizer.rho", "scheduler", "scheduler.eta_min", "trainer.gradient_clip_val", "data.batch_size",
    ]  # fmt: skip


def test_of_two_choices_the_other_makes_problems_or_is_tuned() -> None:
    crossed = [f"scheduler={s} model.hidden={h}" for s in "ab" for h in (1, 2)]
    found = contenders([run(job, words) for job, words in enumerate(crossed)])
    assert [(one.label, one.problem) for one in found] == [
        (f"scheduler={s}", {"model.hidden": str(h)}) for s in "ab" for h in (1, 2)
    ]
    turned = [" ".join(reversed(words.split())) for words in crossed]
    found = contenders([run(job, words) for job, words in enumerate(turned)])
    assert [(one.label, len(one.settings)) for one in found] == [("hidden=1", 2), ("hidden=2", 2)]


def test_keys_that_advance_together_are_one() -> None:
    rows = grid(
        {
            f"trainer.max_steps={800 // b} trainer.val_every_n_steps={v} data.batch_size={b} optimizer.lr={lr}": [1.0]
            for b, v in ((1, 80), (8, 10), (16, 10))
            for lr in (1, 2)
        }
    )
    assert roles_of(rows).followers == {
        "trainer.max_steps": "data.batch_size",
        "trainer.val_every_n_steps": "data.batch_size",
    }
    assert [(one.label, one.problem, one.best.tuned) for one in contenders(rows)] == [
        (f"batch_size={b}", {}, {"optimizer.lr": "1"}) for b in (1, 8, 16)
    ]
    # rows of data decide the steps, whatever the batches
    with_rows = [f"data.batch_size={b} data.rows={s} trainer.max_steps={s}" for b in (1, 8) for s in (80, 90)]
    assert roles_of([run(0, words) for words in with_rows]).followers == {"trainer.max_steps": "data.rows"}


def test_steps_that_go_with_the_batch_size_are_tuned_with_it() -> None:
    zipped = {
        f"optimizer={name} data.batch_size={b} trainer.max_steps={s} optimizer.lr={lr}": [1.0]
        for name in ("sgd", "adam")
        for b, s in ((1, 800), (8, 100))
        for lr in (1, 2)
    }
    found = contenders(grid(zipped))
    assert [(one.label, len(one.settings), list(one.best.tuned)) for one in found] == [
        (name, 4, ["data.batch_size", "optimizer.lr"]) for name in ("sgd", "adam")
    ]


def test_one_s_own_adam_beside_the_usual_one() -> None:
    """As `sweep=compare optimizer=adam 'optimizer.betas=[0.8,0.9]'` makes them: each gets its own row and budget."""
    own, usual = "optimizer=adam optimizer.betas=[0.8,0.9] optimizer.lr=0.1", "optimizer=adam optimizer.lr=0.1"
    found = labels(own, usual, "optimizer=sgd optimizer._target_=mypackage.My optimizer.lr=0.1")
    assert found == ["adam [betas, lr]", "adam [lr]", "My"]


def test_what_values_are_called() -> None:
    assert [noun(key) for key in ("optimizer", "data.batch_size", "model._target_", "optimizer.betas")] == [
        *("optimizer", "batch size", "model", "value of betas")
    ]
    assert [noun(key, several=True) for key in ("scheduler", "trainer.max_steps", "optimizer.betas", "callbacks")] == [
        *("schedulers", "numbers of steps", "values of betas", "callbacks")
    ]
