"""What would fail in a job before its first step is known before anything is written."""

import re

import pytest

from src.sweep.preflight import mistakes
from tests.run.runs import members


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (["optimizer=adam", "optimizer.betas=[0.9,1.5]"], "torch.optim.Adam cannot be built: ValueError.* beta"),
        (["optimizer=momentum", "optimizer.momentum=-1"], "Invalid momentum value: -1"),
        (["+optimizer.foo=1"], "SGD does not take foo"),
        (["optimizer._target_=mypackage.Nope"], "optimizer._target_=mypackage.Nope cannot be imported"),
        (["scheduler=step", "+scheduler.foo=3"], "StepLR does not take foo"),
        (["model=custom", "model._target_=torch.nn.Nope"], "model._target_=torch.nn.Nope cannot be imported"),
        (["loss=custom", "loss._target_=torch.nn.Nope"], "loss._target_=torch.nn.Nope cannot be imported"),
        (["loss=custom", "loss._target_=torch.nn.L1Loss", "+loss.delta=1"], "L1Loss does not take delta"),
        (["optimizer.rule=mypackage.Nope"], "optimizer.rule=mypackage.Nope cannot be imported"),
        (["+callbacks.own._target_=mypackage.Nope"], "callbacks.own._target_=mypackage.Nope cannot be imported"),
        (["+logger.own._target_=mypackage.Nope"], "logger.own._target_=mypackage.Nope cannot be imported"),
    ],
    ids=lambda value: value if isinstance(value, str) else " ".join(value),
)
def test_each_mistake_is_told_with_how_many_jobs_it_concerns(tmp_path, words, told):
    some = members(tmp_path, [], [[], words, [*words, "seed=3"], ["seed=3"]])
    ((sentence, number),) = mistakes(one.config for one in some).items()
    assert number == 2
    assert re.search(told, sentence)


def test_what_a_logger_needs_is_looked_for_before_a_stack_is_trained(tmp_path, monkeypatch):
    monkeypatch.setattr("lightning.pytorch.loggers.mlflow._MLFLOW_AVAILABLE", "")
    some = members(tmp_path, ["logger=mlflow"], [["seed=1"], ["seed=2"]])
    ((sentence, number),) = mistakes(one.config for one in some).items()
    assert (sentence[:73], number) == ("logger.mlflow needs another package: pip install 'descent-lab[mlflow]' ()", 2)


def test_a_table_is_a_mistake_once_whatever_its_rows_are_split_by(tmp_path):
    some = members(
        tmp_path, ["data=table", "data.target=y"], [["data.path=gone.csv"], ["data.path=gone.csv", "seed=3"]]
    )
    assert mistakes(one.config for one in some) == {"data.path=gone.csv: there is no such file": 2}


def test_a_target_that_one_of_several_losses_does_not_take_is_told(tmp_path):
    (tmp_path / "t.csv").write_text("x,y\n" + "".join(f"{k},{'abc'[k % 3]}\n" for k in range(30)))
    losses = [[f"loss={name}"] for name in ("cross_entropy", "logistic")]
    some = members(tmp_path, ["data=table", f"data.path={tmp_path}/t.csv", "data.target=y"], losses)
    ((sentence, number),) = mistakes(one.config for one in some).items()
    assert number == 1
    assert sentence.endswith("this loss tells two classes apart: say loss=cross_entropy")


def test_every_optimizer_of_conf_passes(tmp_path):
    from src.config.compose import CONF

    names = sorted(path.stem for path in (CONF / "optimizer").glob("*.yaml"))
    some = members(tmp_path, [], [[f"optimizer={name}"] for name in names])
    assert len(some) > 15
    assert mistakes(one.config for one in some) == {}
