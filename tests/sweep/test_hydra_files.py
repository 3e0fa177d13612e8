"""`.hydra/` of a job is what Hydra's own sweeper and launcher leave."""

from pathlib import Path
from typing import Any

import pytest
from hydra._internal.hydra import Hydra
from hydra.types import RunMode
from hypothesis import given, settings
from hypothesis import strategies as st
from omegaconf import DictConfig, OmegaConf

from src.config.compose import composing
from src.sweep.hydra_files import HydraFiles, to_yaml
from src.sweep.jobs import Composer

FILES = ("config.yaml", "hydra.yaml", "overrides.yaml")
BASIC = ["hydra/launcher=basic", "hydra/sweeper=basic", "hydra/job_logging=disabled", "hydra/hydra_logging=disabled"]
TRICKY = [
    "1e-05",
    "1e5",
    "null",
    "~",
    "true",
    "on",
    "y",
    "0x1f",
    "1_000",
    "2026-01-01",
    "12:30:45",
    "",
    " a",
    "a ",
    "#",
]
TRICKY += [
    "two\nlines",
    "two\n\nlines\n",
    "\ttab",
    "a: b",
    "- a",
    "'",
    '"',
    "${seed}",
    "é λ",
    "\x85",
    "\x07",
    "a" * 200,
]
PLAIN = st.recursive(
    st.one_of(
        st.none(),
        st.booleans(),
        st.integers(),
        st.floats(allow_nan=False),
        st.sampled_from(TRICKY),
        st.text(st.characters(exclude_categories=["Cs"])).filter(lambda text: "${" not in text),
    ),
    lambda inner: st.one_of(
        st.lists(inner, max_size=4), st.dictionaries(st.sampled_from(["a", "b_c", "on", "1"]), inner, max_size=4)
    ),
    max_leaves=12,
)


def sweep(hydra: Hydra, words: list[str], directory: Path) -> tuple[DictConfig, list[list[str]]]:
    """A sweep by Hydra's own sweeper and launcher: its config and the words of its jobs."""
    asked = [*words, *BASIC, f"hydra.sweep.dir={directory}", "hydra.mode=MULTIRUN"]
    config = hydra.compose_config("train", list(asked), RunMode.MULTIRUN)
    (returned,) = hydra.multirun("train", lambda config: None, list(asked), with_log_configuration=False)
    return config, [list(job.overrides) for job in returned]


@pytest.mark.parametrize(
    "words",
    [
        ["optimizer=sgd,adam", "optimizer.lr=0.1,1e-05", "seed=3"],
        ["experiment=clipped,teacher", "optimizer=rmsprop", "callbacks=[histograms,learning_rate]"],
        [
            "experiment=noisy_line",
            "model=linear,two_layer",
            "scheduler=none",
            "data.noise=1",
            "~callbacks.progress_bar",
        ],
        ["+model.values.weight='a text of several words that is longer than a line of YAML, with 1: 2 in it',2"],
        ["data=points", "data.x=[1,2],[3,4]", "logger=none,csv", "debug=overfit"],
        [
            "hydra.job.config.override_dirname.exclude_keys=[seed,scheduler]",
            "hydra.job.config.override_dirname.kv_sep=-",
            "hydra.verbose=true",
            "seed=1",
            "data.noise=2",
            "scheduler=none",
        ],
        ["+hydra.job.env_set={A:b}", "hydra.sweep.subdir='${hydra.job.override_dirname}'", "seed=1"],
    ],
)
def test_they_are_hydras_own(words: list[str], tmp_path: Path) -> None:
    with composing() as hydra:
        config, jobs = sweep(hydra, words, tmp_path)
        files = HydraFiles(config, hydra.config_loader)
        for number, job in enumerate(jobs):
            directory = tmp_path / str(number)
            if not directory.exists():
                (directory,) = tmp_path.glob("*/")
            known = {name: (directory / ".hydra" / name).read_text(encoding="utf-8") for name in FILES}
            for name in FILES:
                (directory / ".hydra" / name).unlink()
            files.write(job, Composer().compose(job), number, directory)
            found = {name: (directory / ".hydra" / name).read_text(encoding="utf-8") for name in FILES}
            for name in FILES:
                assert found[name] == known[name]


def test_a_job_of_its_own_hydra_words(tmp_path: Path) -> None:
    job = ["optimizer=adam", "hydra.verbose=true"]
    with composing() as hydra:
        config, _ = sweep(hydra, ["seed=1"], tmp_path)
        known = hydra.config_loader.load_sweep_config(config, job)
        HydraFiles(config, hydra.config_loader).write(job, {"seed": 1}, 12, tmp_path / "12")
    known.hydra.job.id, known.hydra.job.num, known.hydra.runtime.output_dir = 12, 12, str(tmp_path / "12")
    found = OmegaConf.load(tmp_path / "12" / ".hydra" / "hydra.yaml")
    assert OmegaConf.to_yaml(found) == OmegaConf.to_yaml({"hydra": known.hydra})
    assert OmegaConf.load(tmp_path / "12" / ".hydra" / "overrides.yaml") == ["optimizer=adam"]


def test_hydra_composes_once_for_what_options_choose(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with composing() as hydra:
        config, _ = sweep(hydra, ["seed=1"], tmp_path)
        jobs = [
            Composer().job([f"experiment={experiment}", f"optimizer={optimizer}", f"seed={seed}"])
            for experiment in ("clipped", "noisy_line")
            for optimizer in ("sgd", "adam")
            for seed in (1, 2)
        ]
        asked = []
        load = hydra.config_loader.load_sweep_config

        def counted(config: DictConfig, words: list[str]) -> DictConfig:
            asked.append(words)
            return load(config, words)

        monkeypatch.setattr(hydra.config_loader, "load_sweep_config", counted)
        files = HydraFiles(config, hydra.config_loader)
        for number, job in enumerate(jobs):
            files.write(job.words, job.raw, number, tmp_path / str(number))
    assert asked == [["experiment=clipped"], ["experiment=noisy_line"]]
    choices = OmegaConf.load(tmp_path / "3" / ".hydra" / "hydra.yaml").hydra.runtime.choices
    assert (choices.experiment, choices.optimizer) == ("clipped", "adam")


@settings(deadline=None)
@given(st.dictionaries(st.sampled_from(["a", "b_c", "on", "1"]), PLAIN, max_size=4))
def test_values_survive(tmp_path_factory: pytest.TempPathFactory, plain: dict[str, Any]) -> None:
    path = tmp_path_factory.mktemp("yaml") / "config.yaml"
    path.write_text(to_yaml(plain), encoding="utf-8")
    assert repr(OmegaConf.to_container(OmegaConf.load(path))) == repr(plain)
