"""A checkpoint brings its run along: which words of it are kept, and when it is refused."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest
import yaml
from omegaconf import OmegaConf

from src.config.compose import compose
from src.config.resumed_words import with_checkpoint
from src.config.schema import check
from src.errors import LabError


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
