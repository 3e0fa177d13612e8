"""The command line, and the same from Python."""

import json
import os
import runpy
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from hydra import compose as hydra_compose
from hydra import initialize_config_dir
from hydra.core.global_hydra import GlobalHydra
from hydra.core.hydra_config import HydraConfig
from omegaconf import DictConfig, OmegaConf

from src.config.compose import CONF
from src.errors import LabError
from src.run import run
from src.run_directory import Result, read_rows

Train = Callable[..., Result]
ROOT = CONF.parent


def command(*words: str, cwd: Path, **environment: str) -> "subprocess.CompletedProcess[str]":
    """`python -m src.train` with these words, started somewhere else."""
    env = {**os.environ, "PYTHONPATH": str(ROOT), "OMP_NUM_THREADS": "1", "COLUMNS": "200", **environment}
    line = [sys.executable, "-m", "src.train", *words]
    return subprocess.run(line, cwd=cwd, env=env, capture_output=True, text=True, timeout=300, check=False)


@pytest.fixture
def typed(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Callable[..., None]:
    """The command in this process, for what is told before anything runs."""

    def _typed(*words: str) -> None:
        monkeypatch.chdir(tmp_path)
        monkeypatch.setenv("HYDRA_FULL_ERROR", "0")
        monkeypatch.setattr(sys, "argv", ["src/train.py", *words])
        monkeypatch.setattr(HydraConfig.instance(), "cfg", HydraConfig.instance().cfg)  # put back afterwards
        monkeypatch.setattr(GlobalHydra.instance(), "hydra", GlobalHydra.instance().hydra)
        runpy.run_module("src.train", run_name="__main__", alter_sys=True)

    return _typed


# --- mistakes ---

MISTAKES = [
    ("optimizer=adma", "optimizer=adma: there is no such choice; did you mean adam?"),
    ("optimizer.lr=-1", "optimizer.lr=-1: must be greater than 0"),
    ("data.rows=many", "data.rows='many': must be a valid integer"),
    ("trainer.max_step=10", "trainer.max_step: there is no such key; did you mean trainer.max_steps?"),
    ("adam", "adam: this is not key=value in Hydra's grammar"),
    ("seed=1,2", "seed=1,2: several values need a multirun: add -m"),
    ("~seed", "data.seed: Interpolation key 'seed' not found"),
    ("data=table", "missing: data.path, data.target"),
    ("ckpt_path=gone.ckpt", "ckpt_path=gone.ckpt: there is no such file"),
    ("-m ckpt_path=gone.ckpt", "ckpt_path=gone.ckpt: there is no such file"),
    ("-m optimizer=adma,sgd", "optimizer=adma: there is no such choice; did you mean adam?"),
    ("-m optimizer.lrr=1,2", "optimizer.lrr: there is no such key; did you mean optimizer.lr?"),
    ("-m adam", "adam: this is not key=value in Hydra's grammar"),
    ("sweep=compare", "sweep=compare needs a multirun: add -m"),
    ("confirm_seeds=3", "confirm_seeds=3 needs a multirun: add -m"),
    ("-m ~data.rws", "data.rws: there is no such key; did you mean data.rows?"),
    ("data=table data.target=y data.path=gone.csv", "data.path=gone.csv: there is no such file"),
    (
        "-m data=table data.target=y data.path=gone.csv seed=1,2",
        "data.path=gone.csv: there is no such file (all 2 jobs)",
    ),
    ("data=table data.path=gone.csv data.target=price,EUR", "data.target=price,EUR: several values need a multirun: "),
    ("hydra.output_subdir=null", "hydra.output_subdir=null: leave it out"),
    ("hydra.searchpath=[file:///nowhere]", "hydra.searchpath=[file:///nowhere]: there is no folder /nowhere"),
    ("-m hydra.searchpath=[/nowhere] seed=1,2", "hydra.searchpath=[/nowhere]: there is no folder /nowhere"),
    ("-m hydra.output_subdir=conf seed=1,2", "hydra.output_subdir=conf: leave it out"),
    (
        "-m optimizer=sgd,adamw,muon +optimizer.weight_decay=0.1,0.2",
        "+optimizer.weight_decay: the config has this key already; leave out the +, "
        "or say ++optimizer.weight_decay=..., which sets it whether it is there or not "
        "(4 of 6 jobs: optimizer=adamw,muon)\n",
    ),
    (
        "-m optimizer=sgd,adamw optimizer.weight_decay=0.1",
        "optimizer.weight_decay: there is no such key; optimizer has _target_, _partial_, lr, rule "
        "(where only some have it, ++optimizer.weight_decay=... sets it for all)\n",
    ),
    ("-m optimizer=sgd,adam +optimizer=adam", "+optimizer=adam: a group is chosen without the +: optimizer=adam\n"),
    ("-m optimizer@mine=sgd,adam", "optimizer@mine: a group has one place in the config: optimizer=... (all 2 jobs)\n"),
    (
        "-m ~optimizer=adam seed=1,2",
        "~optimizer=adam: this option of optimizer is not chosen, so it cannot be taken out",
    ),
    ("-m hydra.sweeper.points=3,4 seed=1,2", "hydra.sweeper.points=3,4: of what is Hydra's a sweep takes one value"),
    ("-m optimizer.lr=0.1,", "optimizer.lr=0.1,: this is not key=value in Hydra's grammar (mismatched input '<EOF>')"),
    (
        "--config-name=other",
        "--config-name, --config-path: the config is conf/train.yaml; ",
    ),
    ("--help optimizer=adma", "optimizer=adma: there is no such choice; did you mean adam?"),
    ("--cfg job optimizer=adma", "optimizer=adma: there is no such choice; did you mean adam?"),
    ("--cfg job --resolve seed=${nothing}", "Interpolation key 'nothing' not found"),
]


@pytest.mark.parametrize(("line", "sentence"), MISTAKES)
def test_a_mistake_is_told_in_a_sentence(
    typed: Callable[..., None], tmp_path: Path, capfd: pytest.CaptureFixture[str], line: str, sentence: str
) -> None:
    with pytest.raises(SystemExit, match="1"):
        typed(*line.split())
    out, err = capfd.readouterr()
    assert err.startswith(f"error: {sentence}")
    assert err.count("\n") == 1
    assert "Traceback" not in out
    assert list(tmp_path.iterdir()) == []


def test_the_real_command_tells_a_mistake(tmp_path: Path) -> None:
    done = command("optimizer=adma", cwd=tmp_path)
    assert done.returncode == 1
    assert done.stdout == ""
    assert done.stderr.startswith("error: optimizer=adma: there is no such choice; did you mean adam? (choices: ")
    assert done.stderr.count("\n") == 1
    assert list(tmp_path.iterdir()) == []


def test_hydra_full_error_keeps_the_traceback(tmp_path: Path) -> None:
    done = command("optimizer=adma", cwd=tmp_path, HYDRA_FULL_ERROR="1")
    assert done.returncode == 1
    assert "Traceback" in done.stderr
    assert "MissingConfigException" in done.stderr
    assert list(tmp_path.iterdir()) == []


def test_what_the_config_decides_is_said_without_importing_torch(tmp_path: Path) -> None:
    """An import of torch alone takes over a second."""
    code = """
import runpy, sys
import src.config.schema, src.config.compose, src.run_directory
for line in ("--help", "optimizer._target_=torch.optim.Adma", "optimizer.lr=0", "--cfg job", "--hydra-help",
             "data=table data.target=y data.path=gone.csv", "-m data=table data.target=y data.path=gone.csv seed=1,2",
             "--help optimizer=adam"):
    sys.argv = ["src/train.py", *line.split()]
    try:
        runpy.run_module("src.train", run_name="__main__")
    except SystemExit as end:
        print("exit", end.code)
    print("imported", sorted({"torch", "lightning", "polars", "matplotlib", "tensorboard"} & set(sys.modules)))
"""
    env = {**os.environ, "PYTHONPATH": str(ROOT)}
    line = [sys.executable, "-c", code]
    done = subprocess.run(line, cwd=tmp_path, env=env, capture_output=True, text=True, timeout=300, check=False)
    assert done.returncode == 0, done.stderr
    assert done.stdout.count("imported []") == 8
    assert "imported ['" not in done.stdout
    assert "a laboratory for gradient descent" in done.stdout
    assert "optimizer: adadelta, adafactor, adagrad, adam, " in done.stdout
    assert "error: optimizer._target_=torch.optim.Adma: torch.optim has no Adma; did you mean Adam?" in done.stderr
    assert done.stderr.count("data.path=gone.csv: there is no such file") == 2
    assert done.stdout.count("exit 1") == 4
    assert list(tmp_path.iterdir()) == []


OWN = """
import torch

class NotOne:
    def __init__(self, params, lr): ...

class Plain(torch.optim.SGD):
    def __init__(self, params, lr):
        super().__init__(params, lr=lr)

class Broken(torch.optim.SGD):
    def __init__(self, params, lr):
        raise RuntimeError("out of order")
"""
TABLES = {
    "empty.csv": "",
    "header.csv": "area,price\n",
    "text.csv": "area,price\n1,2\ntwo,4\n3,6\n",
    "missing.csv": "area,price\n1,2\n,4\n3,6\n4,8\n",
    "constant.csv": "area,price\n1,2\n2,2\n3,2\n4,2\n",
    "good.csv": "area,price\n" + "".join(f"{i},{2 * i + 1}\n" for i in range(20)),
}
TABLE = ["data=table", "data.target=price"]
LATER = [
    ([*TABLE, "data.path=gone.csv"], "gone.csv: there is no such file"),
    ([*TABLE, "data.path=empty.csv"], "the file is empty"),
    ([*TABLE, "data.path=header.csv"], "the table has no rows"),
    ([*TABLE, "data.path=text.csv"], r"no columns left besides .*\(numbers, but row 2 is two\)"),
    ([*TABLE, "data.path=missing.csv", "data.missing=refuse"], "area is missing in row 2"),
    ([*TABLE, "data.path=constant.csv"], "the target price is constant"),
    (["data=table", "data.path=good.csv", "data.target=prize"], "good.csv has no column prize; did you mean price?"),
    ([*TABLE, "data.path=good.csv", "data.batch_size=15"], "data.batch_size=15 is more than the 14 training rows"),
    (
        [*TABLE, "data.path=good.csv", "data.train=18"],
        r"18 \+ 3 \+ 3 rows for training, validation and test: there are",
    ),
    (["optimizer._target_=gone.Optimizer"], "optimizer._target_=gone.Optimizer cannot be imported"),
    (["optimizer._target_=descent_lab_own.Nothing"], "descent_lab_own.Nothing cannot be imported"),
    (["optimizer._target_=descent_lab_own.NotOne"], "NotOne is not a torch.optim"),
    (
        ["optimizer._target_=descent_lab_own.Broken"],
        "descent_lab_own.Broken cannot be built: RuntimeError at descent_lab_own.py:13: out of order",
    ),
    (["optimizer=adam", "optimizer._target_=descent_lab_own.Plain"], "Plain does not take betas, eps"),
    (["optimizer=adam", "optimizer.betas=[0.9,2]"], "torch.optim.Adam"),
    (["scheduler=one_cycle", "scheduler.pct_start=7"], "torch.optim.lr_scheduler.OneCycleLR"),
    (["callbacks=time_limit", "callbacks.time_limit.duration=soon"], "callbacks.time_limit cannot be built"),
    (["logger.tensorboard._target_=descent_lab_own.NotOne"], "NotOne is not a lightning"),
    (["data.slope=1e300"], "the data have numbers that are too large for float32"),
]


@pytest.fixture
def own(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder with a user's module and tables, which is where the command is started."""
    (tmp_path / "descent_lab_own.py").write_text(OWN)
    for name, text in TABLES.items():
        (tmp_path / name).write_text(text)
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.mark.parametrize(("words", "sentence"), LATER, ids=[" ".join(words) for words, _ in LATER])
def test_what_the_config_alone_does_not_show_is_told_before_training(
    own: Path, words: list[str], sentence: str
) -> None:
    before = sorted(own.rglob("*"))
    with pytest.raises(LabError, match=sentence) as told:
        run([*words, "callbacks.progress_bar=null", "hydra.run.dir=run"])
    assert "\n" not in str(told.value)
    left = [path for path in own.rglob("*") if path not in before and "__pycache__" not in path.parts]
    assert not [path for path in left if path.name in ("result.json", "last.ckpt", "metrics.csv")]


@pytest.mark.skipif(torch.cuda.is_available(), reason="there is a GPU here")
@pytest.mark.parametrize("words", [["trainer=gpu"], ["trainer.accelerator=cuda"]])
def test_a_device_that_is_not_here(train: Train, words: list[str]) -> None:
    with pytest.raises(LabError, match="GPU here; trainer=default takes whatever there is"):
        train("run", *words)


def test_nothing_but_the_sentence_is_said(own: Path, caplog: pytest.LogCaptureFixture) -> None:
    with pytest.raises(LabError, match="cannot be imported"):
        run(["optimizer._target_=gone.Optimizer", "callbacks.progress_bar=null", "hydra.run.dir=run"])
    assert caplog.messages == []


def test_starts_of_another_shape(train: Train) -> None:
    with pytest.raises(LabError, match=r"model\.values\.weight=\[1, 2\]: must be a number"):
        train("run", "model.values.weight=[1,2]")


@pytest.mark.parametrize(
    "words", [["data.rows=1000000000000000"], ["model=two_layer", "model.hidden=1000000000000000"]]
)
def test_more_than_the_memory_holds(train: Train, words: list[str]) -> None:
    with pytest.raises(LabError, match="memory"):
        train("run", *words)


def test_a_key_that_a_logger_does_not_take(train: Train) -> None:
    with pytest.raises(LabError, match=r"logger\.tensorboard cannot be built"):
        train("run", "logger=tensorboard", "+logger.tensorboard.colour=blue")


def test_the_directory_where_one_is_stays(own: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (own / "empty").mkdir()
    monkeypatch.chdir(own / "empty")
    with pytest.raises(LabError, match="too large for float32"):
        run(["data.slope=1e300", "callbacks.progress_bar=null", "hydra.run.dir=."])
    assert (own / "empty").is_dir()


def test_a_class_of_ones_own_on_the_default_group_just_works(own: Path) -> None:
    words = ["trainer.max_steps=20", "callbacks.progress_bar=null", "logger=none"]
    mine = run([*words, "optimizer._target_=descent_lab_own.Plain", "hydra.run.dir=mine"])
    assert mine.parameters == run([*words, "hydra.run.dir=sgd"]).parameters


# --- options of one's own ---


@pytest.mark.parametrize("flag", ["--config-dir={}", "hydra.searchpath=['file://{}']"])
def test_options_in_a_folder_of_ones_own_are_found_alone_in_a_sweep_and_on_resume(
    typed: Callable[..., None], tmp_path: Path, flag: str
) -> None:
    folder = tmp_path / "my options"
    (folder / "experiment").mkdir(parents=True)
    (folder / "experiment" / "mine.yaml").write_text("# @package _global_\nseed: 5\ntrainer: {max_steps: 10}\n")
    words = [flag.format(folder), "experiment=mine", "logger=none", "callbacks.progress_bar=null"]
    typed(*words, "hydra.run.dir=alone")
    typed("ckpt_path=alone/checkpoints/last.ckpt", "trainer.max_steps=20", "hydra.run.dir=on")
    typed("-m", *words, "optimizer.lr=0.1,0.2", "hydra.sweep.dir=sweep", "hydra.sweeper.report=false")
    results = {path.parent.name: json.loads(path.read_text()) for path in tmp_path.rglob("result.json")}
    ends = {name: (one["seed"], one["steps"]) for name, one in results.items()}
    assert ends == {"alone": (5, 10), "on": (5, 20), "0": (5, 10), "1": (5, 10)}


RUNS = ("alone", "sweep/0", "sweep/1")


def test_a_group_of_ones_own_is_found_alone_and_in_a_sweep(typed: Callable[..., None], tmp_path: Path) -> None:
    (tmp_path / "own" / "trick").mkdir(parents=True)
    for name, lr in (("a", 0.25), ("b", 0.5)):
        (tmp_path / "own" / "trick" / f"{name}.yaml").write_text(f"# @package _global_\noptimizer: {{lr: {lr}}}\n")
    words = ["--config-dir=own", "trainer.max_steps=10", "logger=none", "callbacks.progress_bar=null"]
    typed(*words, "+trick=a", "hydra.run.dir=alone")
    typed("-m", *words, "+trick=a,b", "hydra.sweep.dir=sweep", "hydra.sweeper.report=false")
    fingerprints = [json.loads((tmp_path / run / "result.json").read_text())["fingerprint"] for run in RUNS]
    assert fingerprints[0] == fingerprints[1] != fingerprints[2]
    chosen = [OmegaConf.load(tmp_path / run / ".hydra" / "hydra.yaml").hydra.runtime.choices.trick for run in RUNS]
    assert chosen == ["a", "a", "b"]


# --- nothing is written over ---


def snapshot(directory: Path) -> dict[str, bytes]:
    return {str(path): path.read_bytes() for path in sorted(directory.rglob("*")) if path.is_file()}


def test_a_run_is_not_written_over(
    train: Train, typed: Callable[..., None], tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    train("run", "trainer.max_steps=10", "logger=tensorboard")
    before = snapshot(tmp_path)
    with pytest.raises(LabError, match="run already holds a run; choose another"):
        train("run", "trainer.max_steps=20")
    with pytest.raises(SystemExit, match="1"):
        typed(f"hydra.run.dir={tmp_path / 'run'}", "seed=3")
    assert "already holds a run" in capfd.readouterr().err
    assert snapshot(tmp_path) == before


def test_an_unfinished_run_may_be_started_again(train: Train, tmp_path: Path) -> None:
    whole = train("whole", "trainer.max_steps=10")
    (tmp_path / "cut" / ".hydra").mkdir(parents=True)
    (tmp_path / "cut" / "metrics.csv").write_text("step,train/loss\n0,7.0\n")
    again = train("cut", "trainer.max_steps=10")
    assert again.metrics == whole.metrics
    assert read_rows(tmp_path / "cut" / "metrics.csv") == read_rows(tmp_path / "whole" / "metrics.csv")


# --- every option runs ---


def options(group: str, *without: str) -> list[str]:
    return sorted(path.stem for path in (CONF / group).glob("*.yaml") if path.stem not in without)


@pytest.mark.parametrize(
    "choice",
    [
        *(f"data={name}" for name in options("data", "table", "custom", "digits", "wine")),
        *(f"model={name}" for name in options("model", "custom")),
        *(f"optimizer={name}" for name in options("optimizer")),
        *(f"scheduler={name}" for name in options("scheduler")),
        *(f"trainer={name}" for name in options("trainer", "gpu", "ddp")),
        *(f"callbacks=[{name}]" for name in options("callbacks")),
    ],
)
def test_every_option_learns(train: Train, choice: str) -> None:
    # 60 features and a rate that suits every kind of data; what an option learns is held against numbers elsewhere
    small = {"data=random": ["data.inputs=60"], "data=noise": ["model=surface"]}.get(choice, [])
    rate = [] if choice.startswith(("optimizer", "data=diabetes")) else ["optimizer.lr=0.01"]
    length = ["trainer.max_steps=30", "trainer.val_every_n_steps=10"]
    warm = ["scheduler.warmup_steps=5"] if choice == "scheduler=warmup_cosine" else []
    result = train("run", choice, *small, *rate, *length, *warm, "trainer.log_every_n_steps=1")
    rows = read_rows(result.directory / "metrics.csv")
    assert (result.status, result.steps) == ("completed", 30)
    assert result.metrics["train/loss"] is not None
    assert result.metrics["train/loss"] < rows[0][1]["train/loss"]


def test_callbacks_together_are_in_the_curves(train: Train) -> None:
    names = ",".join(options("callbacks"))
    words = ["trainer.max_steps=30", "callbacks.parameters.every_n_steps=10", "logger=tensorboard"]
    result = train("run", f"callbacks=[{names}]", *words)
    columns = {name for _, row in read_rows(result.directory / "metrics.csv") for name in row}
    assert {"train/loss", "lr", "gradient_norm", "weight", "bias"} <= columns


def test_debug_one_block(tmp_path: Path) -> None:
    result = run(["debug=one_block", "callbacks.progress_bar=null", f"hydra.run.dir={tmp_path / 'run'}"])
    assert result.steps == 10
    assert list(result.directory.glob("events*")) == []


def test_debug_overfit(train: Train) -> None:
    result = train("run", "debug=overfit", "trainer.max_steps=600", "model.gradient=by_hand")
    assert result.metrics.keys() == {"train/loss"}
    # eight rows whose noise has variance 0.01; two of them are fitted for good
    assert result.metrics["train/loss"] is not None
    assert result.metrics["train/loss"] < 0.02


def test_debug_profile(train: Train, capfd: pytest.CaptureFixture[str]) -> None:
    train("run", "debug=profile", "trainer.max_steps=10")
    said = capfd.readouterr()
    assert "run_training_batch" in said.out + said.err


@pytest.mark.parametrize("loggers", ["none", "csv", "tensorboard", "[tensorboard,csv]"])
def test_loggers(train: Train, loggers: str) -> None:
    result = train("run", f"logger={loggers}", "trainer.max_steps=30")
    own = read_rows(result.directory / "metrics.csv")
    assert len(list(result.directory.glob("events.out.tfevents.*"))) == ("tensorboard" in loggers)
    assert (result.directory / "csv").exists() == ("csv" in loggers)
    if "csv" in loggers:
        theirs: dict[int, dict[str, float]] = {}
        for step, row in read_rows(result.directory / "csv" / "metrics.csv"):
            theirs.setdefault(step, {}).update(row)
        assert {step: {key: theirs[step][key] for key in row} for step, row in own} == dict(own)


# --- many runs ---


def test_a_multirun_is_a_run_per_combination(train: Train, tmp_path: Path) -> None:
    words = ["optimizer=sgd,adam", "optimizer.lr=0.1,0.01", "trainer.max_steps=20", "callbacks.progress_bar=null"]
    done = command("-m", *words, "hydra/launcher=basic", f"hydra.sweep.dir={tmp_path / 'sweep'}", cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    combinations = [(kind, lr) for kind in ("sgd", "adam") for lr in (0.1, 0.01)]
    for job, (kind, lr) in enumerate(combinations):
        result = json.loads((tmp_path / "sweep" / str(job) / "result.json").read_text())
        alone = train(str(job), f"optimizer={kind}", f"optimizer.lr={lr}", "trainer.max_steps=20")
        for key in ("status", "steps", "metrics", "parameters", "fingerprint"):
            assert result[key] == alone.as_json()[key]
    assert sorted(path.name for path in (tmp_path / "sweep").iterdir()) == ["0", "1", "2", "3", "multirun.yaml"]
    assert done.stdout.count("completed: all 20 steps were taken") == 4


def test_a_mistake_in_the_table_of_a_job(
    tmp_path: Path, typed: Callable[..., None], capsys: pytest.CaptureFixture[str]
) -> None:
    """It is told before anything is trained; by Hydra's own launcher at the end, and the others go on."""
    sweep, words = tmp_path / "sweep", ["trainer.max_steps=20", "callbacks.progress_bar=null", "logger=none"]
    (tmp_path / "good.csv").write_text("x,y\n" + "".join(f"{x},{x}\n" for x in range(20)))
    (tmp_path / "bad.csv").write_text("x,y\n1,one\n")
    words = ["-m", "data=table", "data.path=bad.csv,good.csv", "data.target=y", *words, f"hydra.sweep.dir={sweep}"]
    with pytest.raises(SystemExit):  # the stack launcher reads every table before it trains, and leaves nothing behind
        typed(*words)
    assert capsys.readouterr().err.startswith("error: bad.csv: the target y must be numbers")
    assert not sweep.exists()
    done = command(*words, "hydra/launcher=basic", cwd=tmp_path, HYDRA_FULL_ERROR="0")
    assert done.returncode == 1
    assert "Traceback" not in done.stdout + done.stderr
    assert "bad.csv" in done.stderr
    assert done.stderr.splitlines()[-1].startswith("error: job 0 (data=table data.target=y ")
    assert not (sweep / "0" / "result.json").exists()
    before = snapshot(sweep)
    assert str(sweep / "1" / "result.json") in before
    with pytest.raises(SystemExit):
        typed(*words, "hydra/launcher=basic")
    assert "already holds a sweep" in capsys.readouterr().err
    assert snapshot(sweep) == before


def test_every_job_is_checked_before_hydra_s_own_launcher_trains_the_first(tmp_path: Path) -> None:
    done = command(
        "-m", "optimizer.lr=0.1,-1", "hydra/launcher=basic", f"hydra.sweep.dir={tmp_path / 's'}", cwd=tmp_path
    )
    assert done.stderr == "error: optimizer.lr=-1: must be greater than 0 (1 of 2 jobs)\n"
    assert not (tmp_path / "s").exists()


# --- the same from Python ---


def test_twice_in_a_row(train: Train) -> None:
    before = GlobalHydra.instance().hydra, HydraConfig.instance().cfg
    first, second = (train(name, "trainer.max_steps=20") for name in ("first", "second"))
    assert first.as_json() | {"seconds": {}, "environment": {}} == second.as_json() | {"seconds": {}, "environment": {}}
    assert first.directory != second.directory
    assert GlobalHydra.instance().hydra is before[0]
    assert HydraConfig.instance().cfg is before[1]


@pytest.mark.parametrize("words", [["trainer.max_steps=10"], ["optimizer._target_=gone.Optimizer"], ["data.rows=0"]])
def test_inside_another_hydra_application(train: Train, tmp_path: Path, words: list[str]) -> None:
    (tmp_path / "conf").mkdir()
    (tmp_path / "conf" / "own.yaml").write_text("colour: blue\n")

    def task(config: DictConfig) -> str:
        before = GlobalHydra.instance().hydra
        try:
            train("run", *words)
        except LabError:
            assert len(words[0]) < 20 or "gone" in words[0]
        assert GlobalHydra.instance().hydra is before
        assert HydraConfig.get().job.name == "own"
        assert hydra_compose("own", ["colour=red"]).colour == "red"
        return str(config.colour)

    with initialize_config_dir(str(tmp_path / "conf"), version_base="1.3", job_name="own"):
        hydra = GlobalHydra.instance().hydra
        assert hydra is not None
        where = [f"hydra.run.dir={tmp_path / 'own'}"]
        done = hydra.run(config_name="own", task_function=task, overrides=where, with_log_configuration=False)
        assert done.return_value == "blue"


def test_a_chain_of_resumes_is_the_run_that_never_stopped(train: Train, tmp_path: Path) -> None:
    words = ["optimizer=adam", "optimizer.lr=0.05", "data.batch_size=64"]
    whole = train("whole", *words, "trainer.max_steps=30")
    train("1", *words, "trainer.max_steps=10")
    for number, steps in ((2, 17), (3, 30)):
        last = tmp_path / str(number - 1) / "checkpoints" / "last.ckpt"
        train(str(number), f"ckpt_path={last}", f"trainer.max_steps={steps}")
    end = json.loads((tmp_path / "3" / "result.json").read_text())
    for key in ("steps", "metrics", "parameters", "fingerprint"):
        assert end[key] == whole.as_json()[key]
    # the curve has the ends of the runs before as well
    rows = dict(read_rows(tmp_path / "3" / "metrics.csv"))
    for step, row in read_rows(tmp_path / "whole" / "metrics.csv"):
        assert {key: rows[step][key] for key in row} == row


def test_a_run_that_fails_takes_nothing_but_its_own_directory(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Where it was typed there was a `.hydra/` already, and nothing else."""
    here = tmp_path / "here"
    (here / ".hydra").mkdir(parents=True)
    (here / ".hydra" / "config.yaml").write_text("mine: 1\n")
    monkeypatch.chdir(here)
    words = ["logger=none", "model=custom", "model._target_=torch.nn.Identity", "optimizer._target_=torch.optim.Muon"]
    with pytest.raises(LabError):
        run([*words, "+optimizer.nothing=1", f"hydra.run.dir={tmp_path / 'run'}"])
    assert (here / ".hydra" / "config.yaml").read_text() == "mine: 1\n"
    assert not (tmp_path / "run").exists()
