"""From words to a config: every option composes, every mistake is one sentence, a checkpoint brings its run along."""

import string
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import pytest
from hydra import compose as hydra_compose
from hydra import initialize_config_dir
from hydra.core.global_hydra import GlobalHydra
from hydra.core.hydra_config import HydraConfig
from hypothesis import given, settings
from hypothesis import strategies as st
from omegaconf import OmegaConf

from src.config.check_run import check_run
from src.config.compose import CONF, compose, explain
from src.config.schema import check
from src.errors import LabError

# tests/test_config.py goes through the options of these, key by key
SECTIONS = ("data", "model", "optimizer", "scheduler", "trainer")
OPTIONS = sorted(
    f"{path.parent.name}={path.stem}" for path in CONF.glob("*/*.yaml") if path.parent.name not in SECTIONS
)


def check_overrides(words: Sequence[str]) -> None:
    check_run(compose(words))


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
    if choice == "loss=value":
        choice = "model=surface"  # which brings it along
    if choice.startswith("sweep="):  # it takes a multirun to run it, and its jobs have their own tests
        check(compose([choice, "logger=none"]))
    else:
        mine = ["loss._target_=torch.nn.L1Loss"] if choice == "loss=custom" else []
        check_overrides([choice, *mine])


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
    (
        ["data=lin"],
        "data=lin: there is no such choice; did you mean line? (choices: breast_cancer, custom, diabetes, di",
    ),
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
    (["+optimizer.lr=0.1"], "+optimizer.lr: the config has this key already; leave out the +, or say ++optimizer.lr="),
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
