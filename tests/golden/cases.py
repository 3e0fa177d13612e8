"""The runs and sweeps that are written down: every experiment, optimizer and schedule, and each way to train."""

from dataclasses import dataclass
from pathlib import Path

from omegaconf import OmegaConf

CONF = Path(__file__).resolve().parents[2] / "conf"


@dataclass(frozen=True)
class Case:
    """One command, or two where the first leaves a checkpoint that the second goes on from.

    Attributes:
        name: "kind/what/lone" or "kind/what/sweep".
        words: the overrides.
        sweep: whether it is a multirun.
        before: the overrides of a run that goes before, whose last.ckpt this one goes on from; it may crash.
        hooks: whether the order of Lightning's hooks is written down; of a lone run only.
        quick: whether the tests train it again. Such a case is in float64, so that other machines agree to 1e-6.
    """

    name: str
    words: tuple[str, ...]
    sweep: bool = False
    before: tuple[str, ...] = ()
    hooks: bool = False
    quick: bool = False


SHORT = ("trainer.max_steps=80", "trainer.val_every_n_steps=20", "trainer.log_every_n_steps=1")
LINE = ("data.rows=40", "data.val=10", "data.test=10", *SHORT)
BATCHES = "data.batch_size=7"  # 40 rows: the last batch of a pass is smaller
TEACHER = (
    *("data=teacher", "data.rows=48", "data.inputs=4", "data.hidden=3", "model=two_layer", "model.hidden=6"),
    *("data.batch_size=10", *SHORT),
)
TABLE = ("data=table", "data.path=table.csv", "data.target=price", *SHORT)
"""The table that `record.table` writes into the working folder."""

NET = ("model=custom", "model._target_=tests.models.own.Net")
DROPPING = ("model=custom", "model._target_=tests.models.own.Dropping")
RATES = "optimizer.lr=0.02,0.1,0.4"
FLOAT64 = "model.dtype=float64"

UNSTACKABLE = ("lbfgs",)
"""A step evaluates gradients as often as it likes, so runs take their steps one after another in a sweep."""

EXPERIMENTS = {
    "ill_conditioned": ("trainer.max_steps=200",),
    "line": ("trainer.max_steps=300",),
    "line_long": ("trainer.max_steps=2500", "callbacks.checkpoint.every_n_steps=1000"),
    "line_short": ("trainer.max_steps=300",),
    "random_two_layer": ("trainer.max_steps=25", "data.inputs=50", "model.hidden=10", "optimizer.lr=1e-4"),
    "teacher": ("trainer.max_steps=200", "trainer.val_every_n_steps=50"),
}
"""What shortens those that are long, or wide."""

SCHEDULES = {
    "exponential": ("scheduler.gamma=0.97",),
    "plateau": ("scheduler.patience=0", "scheduler.threshold=0.5"),
    "step": ("scheduler.step_size=25",),
    "warmup_cosine": ("scheduler.warmup_steps=20",),
}
"""What makes a schedule act within 80 steps."""

STOPPING = ("callbacks=early_stopping", "trainer.val_every_n_steps=5", "callbacks.early_stopping.min_delta=0.01")
ADAM_CYCLE = ("optimizer=adam", "scheduler=one_cycle", "scheduler.cycle_momentum=true")
WATCHED = (
    "callbacks=[learning_rate,gradient_norm,parameters]",
    "callbacks.parameters.every_n_steps=20",
)


def own(name: str, *words: str) -> tuple[str, ...]:
    """The line with an optimizer of `tests.optim.own`."""
    return (*LINE, f"optimizer._target_=tests.optim.own.{name}", *words)


WAYS: dict[str, tuple[tuple[str, ...], str]] = {
    "full_batch": (LINE, RATES),
    "mini_batches": ((*LINE, BATCHES), RATES),
    "stochastic": ((*LINE, "data.batch_size=1"), "optimizer.lr=0.002,0.01,0.04"),
    "shuffle_seed": ((*LINE, BATCHES, "data.shuffle_seed=5"), "data.shuffle_seed=5,6,7"),
    "seeds": ((*LINE, BATCHES, "seed=3"), "seed=3,4,5"),
    "blocks_of_seven": ((*LINE, BATCHES, "trainer.block_size=7"), RATES),
    "thinned_curves": ((*LINE, "trainer.log_every_n_steps=13", "callbacks.checkpoint.every_n_steps=30"), RATES),
    "no_validation": ((*LINE, "data.val=0", "data.test=0"), RATES),
    "best_by_training_loss": ((*LINE, BATCHES, "callbacks.checkpoint.monitor=train/loss"), RATES),
    "overshooting": ((*LINE, "optimizer=adam", "trainer.val_every_n_steps=4"), "optimizer.lr=0.1,1.0,3.0"),
    "clip_norm": ((*LINE, "trainer.gradient_clip_val=0.5"), RATES),
    "clip_value": ((*LINE, "trainer.gradient_clip_val=0.1", "trainer.gradient_clip_algorithm=value"), RATES),
    "clip_norm_teacher": ((*TEACHER, "trainer.gradient_clip_val=0.2"), RATES),
    "zero_grad_3": ((*LINE, BATCHES, "trainer.zero_grad_every_n_steps=3"), RATES),
    "zero_grad_never": ((*LINE, "optimizer.lr=0.001", "trainer.zero_grad_every_n_steps=0"), "optimizer.lr=5e-4,1e-3,1"),
    "one_cycle_momentum": ((*LINE, *ADAM_CYCLE), "optimizer.lr=0.02,0.1,0.4"),
    "one_cycle_momentum_sgd": ((*LINE, "optimizer=momentum", *ADAM_CYCLE[1:]), "optimizer.lr=0.01,0.02,0.05"),
    "cosine_adam_teacher": ((*TEACHER, "optimizer=adam", "scheduler=cosine"), "optimizer.lr=0.004,0.02,0.1"),
    "plateau_batches": ((*LINE, BATCHES, "scheduler=plateau", "scheduler.patience=1"), RATES),
    "early_stopping": ((*LINE, *STOPPING, "callbacks.early_stopping.patience=2"), "optimizer.lr=0.05,0.2,0.5"),
    "early_threshold": (
        (*LINE, *STOPPING, "callbacks.early_stopping.stopping_threshold=0.1"),
        "optimizer.lr=0.02,0.1,0.4",
    ),
    "diverging": ((*LINE, "optimizer.lr=2.0"), "optimizer.lr=0.1,0.9,2,50,1e30"),
    "diverging_batches": ((*LINE, BATCHES, "optimizer.lr=1.5"), "optimizer.lr=0.1,1.5,3,1e4"),
    "diverging_teacher": ((*TEACHER, "optimizer.lr=5.0"), "optimizer.lr=0.1,2,5,100"),
    "never_bounded": ((*LINE, "trainer.divergence_factor=null", "optimizer.lr=1e3"), "optimizer.lr=0.1,1e3,1e9"),
    "table": (TABLE, RATES),
    "table_batches": ((*TABLE, "data.batch_size=8", "optimizer=adam"), "optimizer.lr=0.02,0.1,0.5"),
    "features": (("data=features", "data.rows=60", "data.inputs=3", "optimizer.lr=0.01", *SHORT), RATES),
    "points": (
        ("data=points", "data.x=[[1,2],[3,5],[2,0]]", "data.y=[[1,0],[2,1],[0,3]]", *SHORT),
        "optimizer.lr=0.01,0.02,0.5",
    ),
    "random": (("data=random", "data.rows=20", "data.inputs=6", "data.outputs=2", *SHORT), RATES),
    "diabetes": (("data=diabetes", "data.batch_size=50", *SHORT), RATES),
    "bowl": (("model=surface", "model.function=bowl", *SHORT), RATES),
    "rosenbrock": (
        ("model=surface", "model.function=rosenbrock", "optimizer.lr=1e-3", *SHORT),
        "optimizer.lr=1e-4,1e-3,0.1",
    ),
    "himmelblau_adam": (
        ("model=surface", "model.function=himmelblau", "optimizer=adam", *SHORT),
        "optimizer.lr=0.02,0.1,0.5",
    ),
    "noisy_saddle": (
        ("model=surface", "data.noise=0.5", "data.rows=100", "data.batch_size=1", "callbacks=[parameters]", *SHORT),
        "optimizer.lr=0.01,0.05,0.1",
    ),
    "by_hand": ((*LINE, BATCHES, "model.gradient=by_hand"), RATES),
    "by_hand_teacher": ((*TEACHER, "model.gradient=by_hand", "optimizer=adam"), "optimizer.lr=0.004,0.02,0.1"),
    "by_hand_tanh": ((*TEACHER, "model.gradient=by_hand", "model.activation=tanh"), RATES),
    "sigmoid_without_bias": ((*TEACHER, "model.activation=sigmoid", "model.bias=false"), RATES),
    "two_outputs": ((*TEACHER, "data.outputs=2", "data.activation=tanh"), RATES),
    "full_batch_teacher": ((*TEACHER, "data.batch_size=full"), RATES),
    "float64": ((*LINE, FLOAT64), RATES),
    "float64_batches": ((*LINE, FLOAT64, BATCHES, "optimizer=adam"), "optimizer.lr=0.02,0.1,0.4"),
    "float64_teacher": ((*TEACHER, FLOAT64, "optimizer=adam"), "optimizer.lr=0.004,0.02,0.1"),
    "sum_of_squares": ((*LINE, "model.loss=sum", "optimizer.lr=0.002"), "optimizer.lr=0.001,0.002,0.1"),
    "starts": ((*LINE, "model.start=normal", "model.scale=2", "model.values.bias=0.5"), RATES),
    "watchers": ((*LINE, *WATCHED, "scheduler=step", "scheduler.step_size=25"), RATES),
    "watchers_teacher": ((*TEACHER, "callbacks=[learning_rate,gradient_norm]"), RATES),
    "sharpness": ((*LINE, "callbacks=[sharpness]", "callbacks.sharpness.every_n_steps=20"), RATES),
    "net": ((*TEACHER[:4], *NET, "data.batch_size=10", *SHORT), RATES),
    "dropping": ((*TEACHER[:4], *DROPPING, "data.batch_size=10", *SHORT), RATES),
    "own_plain": (own("Plain", BATCHES), RATES),
    "own_function": (own("plain"), RATES),
    "own_rho": (own("Rho", "+optimizer.rho=0.5"), "optimizer.rho=0.5,0.9"),
    "own_sam": (own("Sam", BATCHES), RATES),
    "own_schedule_free": (own("ScheduleFree"), RATES),
    "own_schedule_free_batches": (own("ScheduleFree", BATCHES, "trainer.gradient_clip_val=1.0"), RATES),
    "own_newton": (own("Newton", "trainer.create_graph=true", "optimizer.lr=0.3"), "optimizer.lr=0.1,0.3,0.5"),
    "own_fixed": (own("Fixed", "~optimizer.lr"), "seed=0,1,2"),
    "own_schedule": (
        (*LINE, "scheduler=step", "scheduler.step_size=25", "scheduler._target_=tests.optim.own.Stepped"),
        RATES,
    ),
}
"""Of each way to train the overrides of a lone run, and the word that makes a sweep of it (it comes last)."""

SWEEPS: dict[str, tuple[str, ...]] = {
    "one_job": (*LINE, "optimizer.lr=0.1"),
    "one_job_teacher": (*TEACHER, "optimizer=adam", "optimizer.lr=0.02"),
    "mixed_optimizers": (*LINE, "optimizer=sgd,momentum,adam,lbfgs"),
    "mixed_lengths": (*LINE, "trainer.max_steps=30,55"),
    "mixed_batches": (*LINE, "data.batch_size=1,7,full", "optimizer.lr=0.01"),
    "mixed_noise": (*LINE, "data.noise=0,0.1,1", "optimizer=momentum"),
    "mixed_betas": (*LINE, "optimizer=adam", "optimizer.betas=[0.8,0.99],[0.9,0.999]", "optimizer.eps=1e-8,1e-3"),
    "mixed_gammas": (*LINE, "scheduler=step", "scheduler.step_size=10,30", "scheduler.gamma=0.1,0.5"),
    "mixed_clipping": (*LINE, "trainer.gradient_clip_val=0.1,1", RATES),
    "many_seeds": (*TEACHER, "seed=range(0,6)", "optimizer=momentum"),
    "many_rates": (*LINE, "optimizer.lr=tag(log,interval(1e-3,10))", "hydra.sweeper.points=9"),
    **{
        f"unstackable_{name}": (*TEACHER, "data.batch_size=full", f"optimizer={name}", "seed=0,1")
        for name in UNSTACKABLE
    },
}
"""What only a sweep has: members that differ in more than a rate, one alone, and those that share no stack."""

HOOKED: dict[str, tuple[str, ...]] = {
    "plain": (*LINE, BATCHES),
    "blocks_of_seven": (*LINE, "trainer.block_size=7", "callbacks.checkpoint.every_n_steps=30"),
    "passes_of_one_step": (*LINE, "trainer.max_steps=4", "trainer.val_every_n_steps=1"),
    "no_validation": (*LINE, "data.val=0", "data.test=0"),
    "early_stopping": (*LINE, *STOPPING, "callbacks.early_stopping.patience=2", "optimizer.lr=0.5"),
    "diverging": (*LINE, "optimizer.lr=2.0"),
    "time": (*LINE, "trainer.block_size=7", "callbacks=time_limit", "callbacks.time_limit.duration={seconds:0}"),
    "stopped": (
        *LINE,
        "trainer.block_size=7",
        "+callbacks.stop._target_=tests.golden.hooks.Stop",
        "+callbacks.stop.at=33",
    ),
    "watchers": (*LINE, *WATCHED),
}

RESUMED: dict[str, tuple[str, ...]] = {
    "sgd": LINE,
    "mini_batches": (*LINE, BATCHES),
    "adam_teacher": (*TEACHER, "optimizer=adam"),
    "step_schedule": (*LINE, "optimizer=momentum", "scheduler=step", "scheduler.step_size=25"),
    "plateau": (*LINE, "scheduler=plateau", "scheduler.patience=0", "scheduler.threshold=0.5"),
    "cosine": (*LINE, "scheduler=cosine"),
    "lbfgs": (*TEACHER, "data.batch_size=full", "optimizer=lbfgs", "optimizer.max_iter=2"),
    "muon": (*TEACHER, "optimizer=muon"),
    "accumulating": (*LINE, "optimizer.lr=0.001", "trainer.zero_grad_every_n_steps=8"),
    "early_stopping": (*LINE, *STOPPING, "callbacks.early_stopping.patience=3", "optimizer.lr=0.3"),
    "schedule_free": own("ScheduleFree", BATCHES),
    "dropping": (*TEACHER[:4], *DROPPING, "data.batch_size=10", *SHORT),
}
"""Runs that crash and go on, each once inside a pass and once at a validation mark."""

QUICK = {
    "way/float64/lone",
    "way/float64/sweep",
    "way/float64_batches/lone",
    "way/float64_batches/sweep",
    "way/float64_teacher/lone",
    "way/float64_teacher/sweep",
    "quick/clipped_plateau/lone",
    "quick/stopping_and_diverging/sweep",
    "quick/accumulating_schedule/sweep",
    "quick/resumed/lone",
}


def all_cases() -> list[Case]:
    """Every case, its name once."""
    cases = [*_experiments(), *_optimizers(), *_schedules(), *_ways(), *_hooks(), *_resumed(), *_quick()]
    assert len({case.name for case in cases}) == len(cases)
    return cases


def _experiments() -> list[Case]:
    names = sorted(path.stem for path in (CONF / "experiment").glob("*.yaml"))
    return [Case(f"experiment/{name}/lone", (f"experiment={name}", *EXPERIMENTS.get(name, ()))) for name in names]


def _optimizers() -> list[Case]:
    cases = []
    for path in sorted((CONF / "optimizer").glob("*.yaml")):
        name, rate = path.stem, OmegaConf.load(path).lr
        for data, words in (("line", LINE), ("teacher", TEACHER)):
            words = (*words, f"optimizer={name}", *(("data.batch_size=full",) if name == "lbfgs" else ()))
            words = (*words, "optimizer.lowest_loss=0") if (name, data) == ("polyak", "teacher") else words
            cases.append(Case(f"optimizer/{name}/{data}/lone", words))
            if name not in UNSTACKABLE:  # twenty times as high a rate diverges with sgd on the line
                rates = ",".join(f"{factor * rate:g}" for factor in (0.2, 1, 20))
                cases.append(Case(f"optimizer/{name}/{data}/sweep", (*words, f"optimizer.lr={rates}"), sweep=True))
    return cases


def _schedules() -> list[Case]:
    cases = []
    for path in sorted((CONF / "scheduler").glob("*.yaml")):
        words = (*LINE, f"scheduler={path.stem}", *SCHEDULES.get(path.stem, ()))
        cases.append(Case(f"scheduler/{path.stem}/lone", words))
        cases.append(Case(f"scheduler/{path.stem}/sweep", (*words, RATES), sweep=True))
    return cases


def _ways() -> list[Case]:
    cases = []
    for name, (words, swept) in WAYS.items():
        key = swept.partition("=")[0]
        shared = tuple(word for word in words if word.lstrip("+").partition("=")[0] != key)
        added = tuple(f"+{swept}" for word in words if word.startswith(f"+{key}=")) or (swept,)
        cases.append(Case(f"way/{name}/lone", words, quick=f"way/{name}/lone" in QUICK))
        cases.append(Case(f"way/{name}/sweep", (*shared, *added), sweep=True, quick=f"way/{name}/sweep" in QUICK))
    return cases + [Case(f"way/{name}/sweep", words, sweep=True) for name, words in SWEEPS.items()]


def _hooks() -> list[Case]:
    return [Case(f"hooks/{name}/lone", words, hooks=True) for name, words in HOOKED.items()]


def _crash(mark: int) -> tuple[str, ...]:
    """A checkpoint every `mark` steps in blocks of 7, and a crash soon after the first."""
    crash = ("+callbacks.crash._target_=tests.own.Crash", f"+callbacks.crash.at={mark + 9}")
    return (f"callbacks.checkpoint.every_n_steps={mark}", "trainer.block_size=7", *crash)


def _resumed() -> list[Case]:
    cases = [
        Case(f"resumed/{name}/at_{mark}/lone", ("callbacks.crash=null",), before=(*words, *_crash(mark)))
        for name, words in RESUMED.items()
        for mark in ((3, 10) if name == "early_stopping" else (30, 40))
    ]
    longer = ("trainer.max_steps=57",)
    for name, words in {
        "sgd": LINE,
        "mini_batches": (*LINE, BATCHES),
        "adam_teacher": (*TEACHER, "optimizer=adam"),
    }.items():
        cases.append(Case(f"longer/{name}/lone", longer, before=(*words, "trainer.max_steps=33")))
    rate = (*longer, "optimizer.lr=0.025")
    cases.append(Case("longer/another_rate/lone", rate, before=(*LINE, "trainer.max_steps=33")))
    return cases


def _quick() -> list[Case]:
    """Several ways at once, for the tests that are run often."""
    line = (*LINE, FLOAT64)
    plateau = ("scheduler=plateau", "scheduler.patience=0", "scheduler.threshold=0.5", "trainer.gradient_clip_val=0.5")
    stopping = (*STOPPING, "callbacks.early_stopping.patience=2", "optimizer.lr=0.05,0.5,2,50")
    schedule = (BATCHES, "scheduler=cosine", "trainer.zero_grad_every_n_steps=3", "optimizer.lr=0.01,0.05")
    before = (*line, BATCHES, "optimizer=momentum", "scheduler=step", "scheduler.step_size=25", *_crash(30))
    return [
        Case("quick/clipped_plateau/lone", (*line, *plateau), quick=True),
        Case("quick/stopping_and_diverging/sweep", (*line, *stopping), sweep=True, quick=True),
        Case("quick/accumulating_schedule/sweep", (*line, *schedule), sweep=True, quick=True),
        Case("quick/resumed/lone", ("callbacks.crash=null",), before=before, quick=True),
    ]
