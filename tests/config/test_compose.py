"""From words to a config: every option composes, every mistake is one sentence, a checkpoint brings its run along."""

import string
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import pytest
import yaml
from hydra import compose as hydra_compose
from hydra import initialize_config_dir
from hydra.core.global_hydra import GlobalHydra
from hydra.core.hydra_config import HydraConfig
from hypothesis import given, settings
from hypothesis import strategies as st
from omegaconf import OmegaConf

from src.config.compose import CONF, check_overrides, check_sweep_overrides, compose, explain, with_checkpoint
from src.config.schema import check
from src.errors import LabError

# tests/test_config.py goes through the options of these, key by key
SECTIONS = ("data", "model", "optimizer", "scheduler", "trainer")
OPTIONS = sorted(
    f"{path.parent.name}={path.stem}" for path in CONF.glob("*/*.yaml") if path.parent.name not in SECTIONS
)


def refused(*words: str) -> str:
    with pytest.raises(LabError) as told:
        check_overrides(words)
    sentence = str(told.value)
    assert "Traceback" not in sentence
    assert "\n" not in sentence
    return sentence


# --- what composes ---


@pytest.mark.parametrize("choice", OPTIONS)
def test_every_option_of_every_group_passes_the_schema(choice: str) -> None:
    if choice.startswith("sweep="):  # it takes a multirun to run it, and its jobs have their own tests
        check(compose([choice, "logger=none"]))
    else:
        check_overrides([choice])


@pytest.mark.parametrize(
    ("words", "path", "value"),
    [
        ([], "optimizer._target_", "torch.optim.SGD"),
        (["optimizer=adam", "optimizer.lr=0.5"], "optimizer.lr", 0.5),
        (["experiment=noisy_line"], "data.seed", 42),
        (["experiment=noisy_line", "data.seed=7"], "data.seed", 7),
        (["experiment=diverging"], "data.rows", 100),
        (["experiment=noisy_line", "optimizer=adam"], "optimizer._target_", "torch.optim.Adam"),
        (["seed=5"], "model.seed", 5),
        (["seed=5", "model.seed=6"], "data.shuffle_seed", 5),
        (["+optimizer.rho=0.9"], "optimizer.rho", 0.9),
        (["~optimizer.lr"], "optimizer.lr", None),
        (["scheduler=cosine", "trainer.max_steps=77"], "scheduler.T_max", 77),
        (["debug=[one_block,profile]"], "trainer.profiler", "simple"),
        (["logger=[tensorboard,csv]"], "logger.csv.version", "csv"),
        (["callbacks=[histograms]"], "callbacks.checkpoint.every_n_steps", 1000),
        (["callbacks.checkpoint=null"], "callbacks.checkpoint", None),
    ],
)
def test_what_words_mean(words: list[str], path: str, value: Any) -> None:
    assert OmegaConf.select(compose(words), path) == value


# --- what does not ---

REFUSED = [
    # unknown choices of a group, with the choices
    (["optimizer=adma"], "optimizer=adma: there is no such choice; did you mean adam? (choices: adadelta, adafactor"),
    (["data=lin"], "data=lin: there is no such choice; did you mean line? (choices: diabetes, features, line"),
    (["model=xyz"], "model=xyz: there is no such choice (choices: custom, linear, surface, two_layer)"),
    (["callbacks=[histogram]"], "callbacks=histogram: there is no such choice; did you mean histograms?"),
    (["logger=[csv,foo]"], "logger=foo: there is no such choice (choices: csv, mlflow, none, tensorboard, wandb)"),
    (["experiment=nosy_line"], "did you mean noisy_line?"),
    (["debug=profil"], "did you mean profile?"),
    (["hydra/launcher=joblib"], "hydra/launcher=joblib: there is no such choice (choices: basic, stack)"),
    # misspelt keys, with the nearest
    (["optimiser=adam"], "optimiser: there is no such key; did you mean optimizer?"),
    (["optimiser.lr=0.1"], "optimiser.lr: there is no such key; did you mean optimizer.lr?"),
    (["optimizer.l=0.1"], "did you mean optimizer.lr? (a new key is added with +optimizer.l=...)"),
    (
        ["optimizer.betas=[0.9,0.99]"],
        "optimizer.betas: there is no such key; optimizer has _target_, _partial_, lr, rule (",
    ),
    (["optimizer=adam", "optimizer.beta=[0.9,0.99]"], "did you mean optimizer.betas?"),
    (["trainer.max_step=10"], "trainer.max_step: there is no such key; did you mean trainer.max_steps?"),
    (["data.row=10"], "data.row: there is no such key; did you mean data.rows?"),
    (["data.path=x.csv"], "data.path: there is no such key; data has seed, shuffle_seed, batch_size, _target_, rows"),
    (["seeds=3"], "seeds: there is no such key; did you mean seed?"),
    (["model.values.wieght=3"], "did you mean model.values.weight?"),
    (["callbacks.histograms.every_n_steps=5"], "there is no such key without callbacks=[histograms], which adds it"),
    (["callbacks=sharpness", "callbacks.sharpness.tolerence=1"], "did you mean callbacks.sharpness.tolerance?"),
    (["callbacks.chekpoint.every_n_steps=5"], "did you mean callbacks.checkpoint.every_n_steps?"),
    (["scheduler.gamma=0.1"], "scheduler.gamma: there is no such key (a new key is added with +scheduler.gamma=...)"),
    (["~data.rws"], "data.rws: there is no such key; did you mean data.rows?"),
    (["~data.rows=9"], "The value of 'data.rows' is 500 and not 9."),
    (["+trainer.max_step=10"], "trainer.max_step: there is no such key; did you mean trainer.max_steps?"),
    (["+trainers=10"], "trainers: there is no such key; did you mean trainer?"),
    (
        ["optimizer={lr:0.1,betta:3}"],
        "optimizer.betta: there is no such key; optimizer has _target_, _partial_, lr, rule",
    ),
    # wrong types and numbers
    (["optimizer.lr=abc"], "optimizer.lr='abc': must be a valid number"),
    (["optimizer.lr=true"], "optimizer.lr=true: must be a valid number"),
    (["optimizer.lr=[0.1,0.2]"], "optimizer.lr=[0.1,0.2]: must be a valid number"),
    (["optimizer.lr="], "optimizer.lr='': must be a valid number"),
    (["optimizer.lr=0"], "optimizer.lr=0: must be greater than 0"),
    (["optimizer.lr=-0.1"], "optimizer.lr=-0.1: must be greater than 0"),
    (["optimizer.lr=nan"], "optimizer.lr=nan: must be a finite number"),
    (["optimizer.lr=1e999"], "optimizer.lr=inf: must be a finite number"),
    (["optimizer=adam", "optimizer.betas=[0.9,nan]"], "optimizer.betas=[0.9,nan]: must be finite"),
    (["data.rows=0"], "data.rows=0: must be greater than 0"),
    (["data.rows=1.5"], "data.rows=1.5: must be a valid integer"),
    (["trainer.max_steps=-1"], "trainer.max_steps=-1: must be greater than 0"),
    (["data.batch_size=0"], "data.batch_size=0: must be 'full' or a number of rows above 0"),
    (["data.batch_size=501"], "data.batch_size=501 is more than the 500 training rows"),
    (["experiment=noisy_line", "data.batch_size=101"], "data.batch_size=101 is more than the 100 training rows"),
    (["data=diabetes", "data.val=0.6", "data.test=0.5"], "data.val=0.6 + data.test=0.5 leaves no rows for training"),
    (["data=diabetes", "data.train=0.5"], "the fractions must add up to 1 (data.train=null takes the rest)"),
    (["model=two_layer", "model.activation=rleu"], "must be 'relu', 'tanh', 'sigmoid' or 'identity'"),
    (["logger.tensorboard=3"], "logger.tensorboard=3: must be a section of keys"),
    (["data=table"], "missing: data.path, data.target (say data.path=houses.csv data.target=price)"),
    (["model=custom"], "missing: model._target_"),
    (["callbacks=early_stopping", "data.val=0"], "needs validation rows: set data.val, or monitor=train/loss"),
    (["optimizer._target_=torch.optim.Adan"], "torch.optim has no Adan; did you mean Adam?"),
    # several where one is needed
    (["optimizer=[adam,sgd]"], "optimizer=[adam,sgd]: one optimizer at a time"),
    (["data=[line]"], "data=[line]: one data at a time"),
    (["experiment=[line,noisy_line]"], "experiment=[line,noisy_line]: one experiment at a time"),
    (["optimizer=adam,sgd"], "optimizer=adam,sgd: several values need a multirun: add -m"),
    (["seed=range(1,3)"], "seed=range(1,3): several values need a multirun: add -m"),
    (["callbacks=histograms,parameters"], "add -m; together: callbacks=[...]"),
    # no names at all
    (["optimizer=null"], "optimizer=null: must be one of adadelta"),
    (["optimizer=3"], "optimizer=3: must be one of adadelta"),
    (["logger=null"], "logger=null: must be one of csv, mlflow, none, tensorboard, wandb or a list of them"),
    (["experiment=null"], "leave experiment= out to have none"),
    # Hydra's grammar
    (["adam"], "adam: this is not key=value in Hydra's grammar"),
    (["optimizer.lr==3"], "optimizer.lr==3: this is not key=value in Hydra's grammar"),
    (["data.x=[1,2"], "data.x=[1,2: this is not key=value in Hydra's grammar"),
    (["a b=3"], "a b=3: this is not key=value in Hydra's grammar"),
    (["=3"], "=3: there is no key before the ="),
    (["+optimizer=adam"], "+optimizer=adam: a group is chosen without the +: optimizer=adam"),
    (["+optimizer.lr=0.1"], "Could not append to config. An item is already at 'optimizer.lr'"),
    # interpolations, and where the run goes
    (["seed=${nothing}"], "seed: Interpolation key 'nothing' not found"),
    (["~seed"], "data.seed: Interpolation key 'seed' not found"),
    (["hydra.run.dir=${nothing}"], "hydra.run.dir: Interpolation key 'nothing' not found"),
    (["hydra.run.dir=null"], "hydra.run.dir=null (field 'hydra.run.dir' is not Optional)"),
    (["~optimizer"], "optimizer is missing"),
]


@pytest.mark.parametrize(("words", "sentence"), REFUSED, ids=[" ".join(words) for words, _ in REFUSED])
def test_a_mistake_is_one_sentence(words: list[str], sentence: str) -> None:
    assert sentence in refused(*words)


KEYS = [
    *("seed", "data.rows", "data.val", "data.batch_size", "model.values.weight", "model.dtype", "optimizer.lr"),
    *("optimizer", "logger", "callbacks", "experiment", "trainer.max_steps", "callbacks.checkpoint.monitor"),
    *("+optimizer.rho", "~data.rows", "hydra.run.dir", "hydra.job.name", "ckpt_path", "nowhere", "+logger.mine"),
]
PIECES = st.sampled_from(
    [*"0123456789.,:[]{}()'\"\\${}+-~*?/@=! ", "null", "nan", "true", "1e3", "adam", "${seed}", "é"]
)


def sentence_or_nothing(word: str) -> str | None:
    """What is said of a word; anything but a `LabError` comes out as it is."""
    try:
        check_overrides([word])
    except LabError as error:
        return str(error)
    return None


@settings(max_examples=40, deadline=None)
@given(key=st.sampled_from(KEYS), value=st.lists(PIECES, max_size=6).map("".join))
def test_any_value_is_taken_or_refused_in_a_sentence(key: str, value: str) -> None:
    assert sentence_or_nothing(f"{key}={value}") != ""


@settings(max_examples=60, deadline=None)
@given(word=st.text(st.sampled_from(string.printable), max_size=12))
def test_any_word_is_taken_or_refused_in_a_sentence(word: str) -> None:
    assert sentence_or_nothing(word) != ""


def test_of_a_multirun_the_first_choices_say_which_keys_there_are() -> None:
    words = ["optimizer=adam,sgd", "optimizer.beta=0.9,0.8"]
    with (
        pytest.raises(Exception, match="Could not override") as told,
        initialize_config_dir(str(CONF), version_base="1.3"),
    ):
        hydra_compose("train", ["optimizer=adam", "optimizer.beta=0.9"])
    assert "did you mean optimizer.betas?" in explain(told.value, words)


def test_a_run_directory_must_be_free(tmp_path: Path) -> None:
    (tmp_path / "result.json").write_text("{}")
    (tmp_path / "file").write_text("")
    assert refused(f"hydra.run.dir={tmp_path}").startswith(f"{tmp_path} already holds a run")
    for place in ("file", "file/below/that"):
        assert refused(f"hydra.run.dir={tmp_path / place}").startswith(f"{tmp_path / 'file'} is a file")
    check_overrides([f"hydra.run.dir={tmp_path / 'free' / 'below'}"])
    assert not (tmp_path / "free").exists()


# --- Hydra's global state ---


@pytest.fixture
def application(tmp_path: Path) -> Iterator[None]:
    """A user's own Hydra application, in the middle of which these functions are called."""
    (tmp_path / "conf").mkdir()
    (tmp_path / "conf" / "own.yaml").write_text("colour: blue\n")
    with initialize_config_dir(str(tmp_path / "conf"), version_base="1.3", job_name="own"):
        config = hydra_compose("own", return_hydra_config=True)
        HydraConfig.instance().set_config(config)
        try:
            yield
        finally:
            HydraConfig.instance().cfg = None


@pytest.mark.parametrize("words", [[], ["optimizer=adma"], ["optimizer.lr=-1"], ["a b"]], ids=str)
@pytest.mark.parametrize("function", [compose, check_overrides])
def test_a_users_own_application_is_left_alone(application: None, function: Any, words: list[str]) -> None:
    before, config = GlobalHydra.instance().hydra, HydraConfig.instance().cfg
    try:
        function(words)
    except LabError:
        assert words
    assert GlobalHydra.instance().hydra is before is not None
    assert HydraConfig.instance().cfg is config
    assert HydraConfig.get().job.name == "own"
    assert hydra_compose("own", ["colour=red"]).colour == "red"


# --- a checkpoint brings its run along ---


def leave(directory: Path, words: Sequence[str], config: Any = None) -> str:
    """A run directory as Hydra leaves it, with a file in the checkpoint's place; the word that goes on from it."""
    composed = compose([word for word in words if not word.startswith("ckpt_path=")])
    job = OmegaConf.masked_copy(composed, [str(key) for key in composed if key != "hydra"])
    (directory / ".hydra").mkdir(parents=True)
    (directory / "checkpoints").mkdir()
    OmegaConf.save(job if config is None else config, directory / ".hydra" / "config.yaml")
    (directory / ".hydra" / "overrides.yaml").write_text(yaml.safe_dump(list(words)))
    (directory / "checkpoints" / "last.ckpt").touch()
    return f"ckpt_path={directory / 'checkpoints' / 'last.ckpt'}"


@pytest.mark.parametrize(
    ("old", "new", "kept"),
    [
        ([], [], []),
        (["seed=3"], [], ["seed=3"]),
        (["seed=3"], ["seed=4"], []),
        (["optimizer.lr=0.2", "seed=3"], ["optimizer.lr=0.1"], ["seed=3"]),
        # a group chosen anew drops what was said inside it, and only that
        (["optimizer=adam", "optimizer.betas=[0.8,0.9]", "seed=3"], ["optimizer=sgd"], ["seed=3"]),
        (["optimizer=adam", "optimizer.eps=0.1"], ["optimizer=adam"], []),
        (["callbacks=[histograms]", "callbacks.histograms.every_n_steps=5"], ["callbacks=[]"], []),
        (["data=points", "data.x=[1,2,4]", "model.bias=false"], ["data=line"], ["model.bias=false"]),
        (["optimizer=adam"], ["optimizer.lr=0.1"], ["optimizer=adam"]),
        (["experiment=noisy_line", "data.rows=50"], ["trainer.max_steps=9"], ["experiment=noisy_line", "data.rows=50"]),
        # what the old run added stays added, so that it can be changed, and taken away
        (["+optimizer.momentum=0.5"], ["optimizer.momentum=0.6"], ["+optimizer.momentum=0.5"]),
        (["+optimizer.momentum=0.5"], ["~optimizer.momentum"], ["+optimizer.momentum=0.5"]),
        (["+optimizer.momentum=0.5"], ["+optimizer.momentum=0.6"], []),
        (["++optimizer.momentum=0.5"], ["optimizer.momentum=0.6"], ["++optimizer.momentum=0.5"]),
        (["~optimizer.lr"], ["optimizer.lr=0.3"], []),
    ],
)
def test_the_old_words_come_first(tmp_path: Path, old: list[str], new: list[str], kept: list[str]) -> None:
    ckpt = leave(tmp_path / "run", old)
    words = with_checkpoint([*new, ckpt])
    assert words == [*kept, *new, ckpt]
    check(compose(["logger=none", *words]))


def test_of_two_values_the_later_is_kept(tmp_path: Path) -> None:
    ckpt = leave(tmp_path / "run", ["optimizer=adam", "optimizer.lr=0.2", "seed=3", "data.rows=50"])
    config = compose(with_checkpoint([ckpt, "optimizer.lr=0.3", "seed=4"]))
    assert (config.optimizer.lr, config.seed, config.data.rows) == (0.3, 4, 50)
    assert config.optimizer._target_ == "torch.optim.Adam"


def test_a_chain_of_resumes(tmp_path: Path) -> None:
    first = leave(tmp_path / "1", ["optimizer=adam", "seed=3"])
    second = leave(tmp_path / "2", with_checkpoint([first, "optimizer.lr=0.2"]))
    third = leave(tmp_path / "3", with_checkpoint([second, "trainer.max_steps=2000"]))
    words = with_checkpoint([third, "seed=4"])
    assert words == ["optimizer=adam", "optimizer.lr=0.2", "trainer.max_steps=2000", third, "seed=4"]


@pytest.mark.parametrize("words", [[], ["seed=3"], ["ckpt_path=null", "seed=3"]])
def test_without_a_checkpoint_nothing_changes(words: list[str]) -> None:
    assert with_checkpoint(words) == words


def test_a_checkpoint_that_is_not_there(tmp_path: Path) -> None:
    with pytest.raises(LabError, match=r"^ckpt_path=.*gone\.ckpt: there is no such file$"):
        with_checkpoint([f"ckpt_path={tmp_path / 'gone.ckpt'}"])
    with pytest.raises(LabError, match="there is no such file"):
        with_checkpoint([f"ckpt_path={tmp_path}"])
    with pytest.raises(LabError, match="one checkpoint at a time"):
        with_checkpoint([f"ckpt_path={tmp_path}/a.ckpt,{tmp_path}/b.ckpt"])


def test_a_checkpoint_outside_a_run(tmp_path: Path) -> None:
    path = tmp_path / "run" / "checkpoints" / "last.ckpt"
    path.parent.mkdir(parents=True)
    path.touch()
    with pytest.raises(LabError, match=r"run is not a run directory \(it has no \.hydra/config\.yaml\)"):
        with_checkpoint([f"ckpt_path={path}"])


@pytest.mark.parametrize("file", ["config", "overrides"])
def test_a_run_whose_config_is_broken(tmp_path: Path, file: str) -> None:
    ckpt = leave(tmp_path / "run", ["seed=3"])
    (tmp_path / "run" / ".hydra" / f"{file}.yaml").write_text("a: [1, 2\n")
    with pytest.raises(LabError, match=r"\.hydra cannot be read"):
        with_checkpoint([ckpt])


def test_conf_that_has_changed_since(tmp_path: Path) -> None:
    composed = compose(["seed=3"])
    job = OmegaConf.masked_copy(composed, [str(key) for key in composed if key != "hydra"])
    OmegaConf.update(job, "optimizer.lr", 0.7)
    ckpt = leave(tmp_path / "run", ["seed=3"], job)
    with pytest.raises(LabError, match=r"conf/ has changed since run was trained \(optimizer\.lr\)"):
        with_checkpoint([ckpt])


@pytest.mark.parametrize("word", ["sweep=compare", "confirm_seeds=3"])
def test_what_is_for_this_projects_sweeper_is_not_lost_on_another(word):
    with pytest.raises(LabError, match=f"{word} needs hydra/sweeper=grid: hydra/sweeper=basic"):
        check_sweep_overrides(["hydra/sweeper=basic", word])
    check_sweep_overrides([word])
