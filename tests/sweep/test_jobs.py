"""A job's config put together key by key is the one that Hydra composes."""

from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from omegaconf import OmegaConf

from src.config.compose import compose
from src.config.schema import check
from src.errors import LabError
from src.sweep.call import ask
from src.sweep.jobs import Composer
from tests.conftest import LONG_TESTS

WORDS = [
    ["optimizer=adam", "optimizer=momentum", "optimizer=sgd"],
    ["optimizer.lr=0.25", "optimizer.lr=1e-05", "optimizer.lr=1"],
    ["+optimizer.rho=0.5", "+optimizer.lr=0.5", "+optimizer.deep.rho=0.5", "++optimizer.rho=1", "+seed=3"],
    ["optimizer.rho=0.7", "optimizer.lr=[1,2]", "optimizer.lr=null"],
    ["seed=7", "data.seed=3"],
    ["data=features", "data=teacher", "data=line"],
    ["data.rows=64", "data.rows=128", "data.noise=0.0"],
    ["model=two_layer", "model=linear"],
    ["model.dtype=float64", "model.values={}", "+model.values.weight=2.0", "model.loss=sum"],
    ["experiment=clipped", "experiment=teacher"],
    ["trainer.max_steps=${seed}", "trainer.max_steps=12", "trainer.gradient_clip_val=null"],
    ["callbacks=[histograms]", "callbacks.checkpoint=null", "callbacks.checkpoint.monitor=train/loss"],
    ["logger=none", "logger=csv", "logger=tensorboard"],
    ["scheduler=cosine", "scheduler=warmup_cosine"],
    ["data.batch_size=16", "data.batch_size=full"],
    ["~callbacks.progress_bar", "debug=one_block"],
]


@st.composite
def words(draw: st.DrawFn) -> list[str]:
    chosen = draw(st.lists(st.sampled_from(WORDS), max_size=6, unique_by=id))
    return [draw(st.sampled_from(options)) for options in chosen]


def by_hydra(overrides: list[str], directory: Path) -> tuple[object, object] | str:
    try:
        composed = compose(overrides)
        job = OmegaConf.masked_copy(composed, [str(key) for key in composed if key != "hydra"])
        raw = OmegaConf.to_container(job)
        for node in (composed.get("logger") or {}).values():
            if node and "save_dir" in node:
                node["save_dir"] = str(directory)  # there is no run to have a directory
        return raw, check(composed)
    except LabError as error:
        return str(error)


@settings(
    max_examples=80 if LONG_TESTS else 16, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(shared=words(), job=words())
def test_it_is_what_hydra_composes(shared: list[str], job: list[str]) -> None:
    here = Path("/somewhere/else")
    keys = {word.partition("=")[0] for word in job}
    shared = [word for word in shared if word.partition("=")[0] not in keys]
    known = by_hydra([*shared, *job], here)
    try:
        made = Composer(shared).job(job)
        found: object = (made.raw, made.config_in(here))
    except LabError as error:
        found = str(error)
    assert found == known


@pytest.mark.parametrize(
    "job",
    [
        ["optimizer.lr=0.1", "++optimizer.lr=0.2"],
        ["++optimizer.lr=0.2", "optimizer.lr=0.1"],
        ["model.values.weight=2", "model.values={weight:1}"],
        ["+model.values.deep=2", "++model.values.deep.below=1", "model.values.weight=3"],
        ["optimizer.lr=0.1", "+optimizer.rho=0.1", "optimizer.rho=${optimizer.lr}", "optimizer.lr=0.3"],
        ["data.x=[1,2]", "data.x[0]=3", "data.y=[1,2]", "data=points"],
        ["optimizer.lr=0.1", "optimizer=adam"],
    ],
)
def test_the_later_of_two_words_for_a_key_wins_as_in_a_run(job: list[str]) -> None:
    known = by_hydra(["logger=none", *job], Path())
    try:
        made = Composer(["logger=none"]).job(job)
        found: object = (made.raw, made.config)
    except LabError as error:
        found = str(error)
    assert found == known


def test_options_and_groups_of_ones_own(tmp_path: Path) -> None:
    """An experiment whose keys are taken from keys beside them, and a group that `conf/` does not have."""
    for group, name, text in (
        ("experiment", "mine", "data: {rows: 200, val: '${.rows}', test: '${.val}'}\nseed: '${data.val}'"),
        ("trick", "a", "optimizer: {lr: 0.5}"),
    ):
        (tmp_path / group).mkdir(exist_ok=True)
        (tmp_path / group / f"{name}.yaml").write_text(f"# @package _global_\n{text}\n")
    there = [f"hydra.searchpath=['file://{tmp_path}']", "logger=none"]
    for job in (["experiment=mine"], ["experiment=mine", "data.rows=30"], ["+trick=a"], ["+trick=a", "optimizer.lr=2"]):
        made = Composer(there).job(job)
        assert (made.raw, made.config) == by_hydra([*there, *job], Path())
    config = Composer(there).job(["experiment=mine", "data.rows=30"]).config
    assert (config.seed, config.data.arguments()["val"], config.data.arguments()["test"]) == (30, 30, 30)
    assert Composer(there).job(["+trick=a"]).config.optimizer.lr == 0.5


def test_the_directory_of_the_run_stays_wherever_it_is_taken_to() -> None:
    """As the value of another key, within a text, in a section that is taken whole, and beside a relative key."""
    job = Composer(
        [
            "logger=tensorboard",
            "+logger.tensorboard.prefix=a ${.save_dir}",
            "+logger.tensorboard.sub_dir=${logger.tensorboard.save_dir}/${.runs}",
            "+callbacks.checkpoint.whole=${logger.tensorboard}",
        ]
    ).job([])
    placed = job.config_in(Path("/run"))
    logger = placed.logger["tensorboard"]
    assert logger is not None
    assert (logger.arguments()["prefix"], logger.arguments()["sub_dir"]) == ("a /run", "/run/best")
    checkpoint = placed.callbacks["checkpoint"]
    assert checkpoint is not None
    assert checkpoint.arguments()["whole"]["save_dir"] == "/run"


def test_hydra_is_asked_once_for_a_choice(monkeypatch: pytest.MonkeyPatch) -> None:
    asked = []

    def counted(overrides: list[str]) -> object:
        asked.append(overrides)
        return compose(overrides)

    monkeypatch.setattr("src.sweep.jobs.compose", counted)
    composer = Composer(["experiment=noisy_line", "logger=none"])
    jobs = [
        [f"optimizer={o}", f"optimizer.lr={lr}", f"seed={s}"] for o in ("sgd", "adam") for lr in (1, 2) for s in (0, 1)
    ]
    configs = [composer.job(job).config for job in jobs]
    assert len(asked) == 2
    assert [(c.optimizer.lr, c.seed, c.model.seed) for c in configs[:3]] == [(1.0, 0, 0), (1.0, 1, 1), (2.0, 0, 0)]
    assert configs[0].data.seed == 42  # the experiment's own


@pytest.mark.parametrize("key", ["sed", "optimizer.lrr", "+optimizer.lr"])
def test_hydra_is_asked_once_for_a_mistake(monkeypatch: pytest.MonkeyPatch, key: str) -> None:
    """Whatever its value: a thousand seeds with a typing error are told of as soon as one."""
    asked = []

    def counted(overrides: list[str]) -> object:
        asked.append(overrides)
        return compose(overrides)

    monkeypatch.setattr("src.sweep.jobs.compose", counted)
    with pytest.raises(LabError, match=r"\(all 5 jobs\)"):
        ask([[f"{key}={value}"] for value in range(5)], [f"{key}=range(0,5)"], {}, Composer())
    assert len(asked) == 2  # what there is without it, and why it cannot be with it


@pytest.mark.parametrize(
    ("job", "sentence"),
    [
        (["optimizer.lrr=1"], "optimizer.lrr: there is no such key"),
        (["optimizer=adm"], "optimizer=adm: there is no such choice; did you mean adam"),
        (["optimizer.lr=-1"], "optimizer.lr=-1: must be greater than 0"),
        (["data=table"], "missing: data.path, data.target (say data.path=houses.csv data.target=price)"),
        (["data.noise.deep=1"], "data.noise.deep"),
    ],
)
def test_a_mistake_has_the_sentence_of_a_run(job: list[str], sentence: str) -> None:
    with pytest.raises(LabError) as error:
        Composer(["logger=none"]).job(job)
    assert sentence in str(error.value)
