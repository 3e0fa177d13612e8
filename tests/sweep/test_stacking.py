import pytest

from src.sweep.stacking import MOST, disk_of, memory_of, most_members, program
from tests.run.runs import members

SAME = [
    ["optimizer.lr=0.3"],
    ["seed=4"],
    ["data.noise=0.5", "data.slope=2", "data.low=-1"],
    ["model.start=zeros"],
    ["model.values.weight=2"],
    ["model.gradient=by_hand"],
    ["trainer.divergence_factor=null"],
    ["data.shuffle_seed=9"],
]
OTHER = [
    ["optimizer=adam"],
    ["data.rows=400"],
    ["data.val=0"],
    ["data.batch_size=10"],
    ["model.dtype=float64"],
    ["model.bias=false"],
    ["model=two_layer"],
    ["model.loss=sum"],
    ["trainer.max_steps=999"],
    ["trainer.gradient_clip_val=1"],
    ["scheduler=cosine"],
    ["callbacks=early_stopping"],
    ["callbacks=learning_rate"],
    ["logger=none"],
    ["data=features"],
]


@pytest.mark.parametrize("words", SAME, ids=" ".join)
def test_numbers_may_differ_in_a_stack(tmp_path, words):
    one, other = members(tmp_path, [], [[], words])
    assert program(one.config) == program(other.config)


@pytest.mark.parametrize("words", OTHER, ids=" ".join)
def test_programs_and_shapes_may_not(tmp_path, words):
    one, other = members(tmp_path, [], [[], words])
    assert program(one.config) != program(other.config)


def test_numbers_of_clipping_and_schedules_may_differ_and_their_kinds_not(tmp_path):
    shared = ["trainer.gradient_clip_val=1", "scheduler=step"]
    jobs = [[], ["trainer.gradient_clip_val=2", "scheduler.gamma=0.3", "scheduler.step_size=7"]]
    one, other, kind = members(tmp_path, shared, [*jobs, ["trainer.gradient_clip_algorithm=value"]])
    assert program(one.config) == program(other.config) != program(kind.config)
    points = members(
        tmp_path,
        ["data=points", "data.val=0", "data.test=0"],
        [["data.x=[1,2,3]", "data.y=[1,2,3]"], ["data.x=[4,5,6]", "data.y=[0,0,1]"]],
    )
    assert program(points[0].config) == program(points[1].config)


def test_stacks_are_as_large_as_memory_and_cache_allow(tmp_path):
    line, network = members(tmp_path, [], [[], ["model=two_layer", "data=teacher", "data.rows=1000"]])
    assert most_members(line.config, 2**30) == MOST
    assert most_members(line.config, 100 * memory_of(line.config)) == 100
    assert most_members(line.config, 1) == 2
    assert 2 <= most_members(network.config, 2**30) < MOST
    assert disk_of(network.config) > disk_of(line.config) > 10_000
