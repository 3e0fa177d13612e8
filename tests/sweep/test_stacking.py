import pytest
from hypothesis import given
from hypothesis import strategies as st

from src.run.build import build_model, build_problem
from src.sweep.stacking import MOST, cut, disk_of, memory_of, most_members, program, size_of
from tests.run.runs import members, stacked

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
    ["loss=custom", "loss._target_=torch.nn.L1Loss"],
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
    two, three = members(
        tmp_path, ["data=points", "loss=cross_entropy", "data.x=[1,2,3]"], [["data.y=[0,0,1]"], ["data.y=[0,1,2]"]]
    )
    assert program(two.config) != program(three.config)


def test_stacks_are_as_large_as_memory_and_cache_allow(tmp_path):
    line, network = members(tmp_path, [], [[], ["model=two_layer", "data=teacher", "data.rows=1000"]])
    assert most_members(line.config, 2**30) == MOST
    assert most_members(line.config, 100 * memory_of(line.config)) == 100
    assert most_members(line.config, 1) == 2
    assert 2 <= most_members(network.config, 2**30) < MOST
    assert disk_of(network.config) > disk_of(line.config) > 10_000


@pytest.mark.parametrize(
    "words",
    [
        [],
        ["model.bias=false"],
        ["model=two_layer", "data=teacher"],
        ["model=surface"],
        ["data=points"],
        ["model=custom", "model._target_=tests.models.own.Net"],
    ],
    ids=" ".join,
)
def test_a_model_is_as_large_as_the_one_that_is_built(tmp_path, words):
    (spec,) = members(tmp_path, words, [[]])
    built = build_model(spec.config, build_problem(spec.config))
    assert size_of(spec.config).parameters == sum(p.numel() for p in built.parameters())


def test_what_watchers_record_is_planned_for(tmp_path):
    words = ["trainer.max_steps=60", "trainer.val_every_n_steps=10", "trainer.log_every_n_steps=3", "logger=none"]
    words += ["callbacks=[parameters,gradient_norm]", "callbacks.parameters.every_n_steps=1"]
    (result,) = stacked(tmp_path, words, [[]])
    cells = (result.directory / "metrics.csv").read_text().splitlines()[1:]
    recorded = sum(len([cell for cell in line.split(",")[1:] if cell]) for line in cells)
    (spec,) = members(tmp_path / "planned", words, [[]])
    assert recorded <= size_of(spec.config).curves <= recorded + 10
    quiet, watched = members(
        tmp_path / "long",
        ["trainer.max_steps=100000"],
        [[], ["callbacks=[parameters]", "callbacks.parameters.every_n_steps=1"]],
    )
    history = 2 * 100_000 * 8  # weight and bias, float64
    assert memory_of(watched.config) > memory_of(quiet.config) + 2 * history
    assert disk_of(watched.config) > disk_of(quiet.config) + history
    assert most_members(watched.config, 2**30) < 250 < most_members(quiet.config, 2**30)


@given(st.integers(1, 400), st.integers(2, 50), st.integers(1, 8))
def test_stacks_are_equally_large_and_hold_every_run_once(runs: int, most: int, pieces: int) -> None:
    stacks = cut(range(runs), most, pieces)
    sizes = [len(stack) for stack in stacks]
    assert [run for stack in stacks for run in stack] == list(range(runs))
    assert max(sizes) <= most
    assert max(sizes) - min(sizes) <= 1
    assert len(sizes) >= min(pieces, runs // 2)
