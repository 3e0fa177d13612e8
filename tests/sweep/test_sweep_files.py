"""Every file of `conf/sweep`: its jobs, and that each is a run that the schema takes."""

from collections import Counter
from pathlib import Path
from typing import Any

import pytest
import yaml

from src.sweep.grid import Grid, axes_of, jobs_of
from src.sweep.jobs import Composer

ROOT = Path(__file__).parents[2]
FILES = sorted(path.stem for path in (ROOT / "conf/sweep").glob("*.yaml"))
OPTIMIZERS = {path.stem for path in (ROOT / "conf/optimizer").glob("*.yaml")}


def sweeper(name: str) -> dict[str, Any]:
    content = yaml.safe_load((ROOT / f"conf/sweep/{name}.yaml").read_text(encoding="utf-8"))
    return dict(content["hydra"]["sweeper"])


def jobs(name: str) -> list[dict[str, str]]:
    """Those of its axes; of a comparison, those of each optimizer that is there by itself."""
    keys = sweeper(name)
    grid = Grid(points=keys["points"], together=keys.get("together", []), search=keys["search"])
    words = [f"{key}={value}" for key, value in keys["params"].items()]
    words += [f"optimizer={','.join(keys['against'])}"] if "against" in keys else []
    return [dict(word.split("=", 1) for word in job) for job in jobs_of(axes_of(words)[1], grid)]


def test_they_are_there() -> None:
    assert FILES == ["batch_sizes", "compare", "crowded_valley", "optimizers", "race"]


@pytest.mark.parametrize("name", FILES)
def test_the_first_line_says_what_it_is(name: str) -> None:
    lines = (ROOT / f"conf/sweep/{name}.yaml").read_text(encoding="utf-8").splitlines()
    assert lines[0] == "# @package _global_"
    assert lines[1].startswith("# ")


@pytest.mark.parametrize("name", FILES)
def test_every_choice_is_a_run(name: str, tmp_path: Path) -> None:
    """One seed, and a rate of every optimizer on the first problem, of the first optimizer on every one."""
    composer = Composer([f"sweep={name}", "logger=none"])
    there = [job for job in jobs(name) if job.get("seed", "3") == "3"]
    one_rate = {(job.get("experiment"), job.get("optimizer"), job.get("data.batch_size")): job for job in there}
    first = [there[0].get(key) for key in ("experiment", "optimizer")]
    for job in (job for (*of, _), job in one_rate.items() if of[0] == first[0] or of[1] == first[1]):
        config = composer.job([f"{key}={value}" for key, value in job.items()]).config
        assert config.optimizer.lr == float(job["optimizer.lr"])
        assert config.data.seed == config.seed  # noisy_line fixes it
        assert config.data.validates() == (name != "race")  # on a surface there is nothing to generalize to


def test_optimizers_are_all_there_are() -> None:
    found = jobs("optimizers")
    trained = OPTIMIZERS - {"polyak"}  # nobody knows the lowest loss of a noisy teacher
    assert {job["optimizer"] for job in found} == trained
    assert set(Counter((job["experiment"], job["optimizer"], job["seed"]) for job in found).values()) == {10}
    assert {job["seed"] for job in found} == {str(seed) for seed in range(8)}
    assert len(found) == 2 * len(trained) * 10 * 8
    searched = {choice.removeprefix("optimizer=") for choice in sweeper("optimizers")["search"]}
    assert searched == OPTIMIZERS


def test_the_crowded_valley_is_as_many_runs_as_it_says() -> None:
    found, text = jobs("crowded_valley"), (ROOT / "conf/sweep/crowded_valley.yaml").read_text(encoding="utf-8")
    assert len(found) == 3 * 14 * 40 * 30 < yaml.safe_load(text)["hydra"]["launcher"]["max_runs"]
    assert f"{len(found):,} runs" in text


def test_every_batch_size_sees_20_epochs(tmp_path: Path) -> None:
    composer = Composer(["sweep=batch_sizes", "logger=none"])
    sizes = {}
    for job in jobs("batch_sizes"):
        config = composer.job([f"{key}={value}" for key, value in job.items()]).config
        (_, _, rows), batch = config.data.sizes(), config.data.batch_size
        of_epoch = -(-rows // (rows if batch == "full" else batch))
        assert (rows, config.trainer.max_steps) == (1000, 20 * of_epoch)
        assert config.trainer.val_every_n_steps == of_epoch
        sizes[batch] = of_epoch
        if batch == "full":
            assert config.optimizer.lr is not None
            assert config.optimizer.lr < 0.031  # beyond 0.029 it diverges (critical learning rate of this line)
    assert sizes == {1: 1000, 8: 125, 64: 16, "full": 1}


def test_a_comparison_is_one_of_equals() -> None:
    keys, found = sweeper("compare"), jobs("compare")
    assert keys["against"] == ["sgd", "momentum", "adam", "adamw", "rmsprop", "nadam"]
    settings = Counter((job["optimizer"], job["seed"]) for job in found)
    assert set(settings.values()) == {10}
    assert len(settings) == 6 * 5
    assert keys["search"]["optimizer=*"] == {"optimizer.lr": "tag(log,interval(1e-4,1))"}
    content = yaml.safe_load((ROOT / "conf/sweep/compare.yaml").read_text(encoding="utf-8"))
    assert content["confirm_seeds"] == 20
