"""Steps as C: those of the rules but for rounding, to the same bits in any stack."""

import os
import shutil
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

import pytest
import torch

from src.engine.choose_stepper import Choice
from src.engine.compiled import compiler, kernel
from src.engine.compiled.compiler import NotCompiledError
from src.engine.compiled_stepper import CompiledStepper
from src.engine.rule_stepper import RuleStepper
from src.run import build
from src.run.build import Member, tell_once
from tests.run.runs import members as specs
from tests.run.runs import stacked

pytestmark = pytest.mark.skipif(shutil.which("cc") is None, reason="there is no C compiler")
STEPS = 40
NET = ["data=teacher", "data.inputs=3", "data.rows=30", "model=two_layer", "model.hidden=5", "data.batch_size=8"]
CASES = {
    "condensed": ["optimizer=momentum", "data=features", "data.inputs=3", "data.rows=30"],
    "linear": ["optimizer=rmsprop", "data=features", "data.rows=30", "data.batch_size=7", "loss=huber"],
    "clipped": [*NET, "optimizer=adam", "model.activation=tanh", "scheduler=cosine", "trainer.gradient_clip_val=0.1"],
    "added up": [
        *NET, "optimizer=nadam", "model.activation=sigmoid", "model.loss=sum", "trainer.zero_grad_every_n_steps=3",
        "trainer.gradient_clip_val=0.5", "trainer.gradient_clip_algorithm=value",
    ],
}  # fmt: skip
LONG = {
    **{
        f"{name} on {'a network' if net else 'a line'}": [f"optimizer={name}", *(NET if net else ["data.batch_size=7"])]
        for net in (False, True)
        for name in (
            "sgd", "nesterov", "adagrad", "adadelta", "rprop", "adamw", "adamax", "radam", "asgd", "lion", "signum",
            "schedule_free_sgd", "schedule_free_adamw", "textbook_momentum", "textbook_adam",
        )
    },
    "condensed, one by one": ["optimizer=adam", "data=features", "data.inputs=60", "data.rows=80"],
    "amsgrad": ["optimizer=adam", "++optimizer.amsgrad=true", "++optimizer.weight_decay=0.1"],
    "centered": ["optimizer=rmsprop", "++optimizer.centered=true", "++optimizer.momentum=0.5"],
    "poisson": ["loss=poisson", "data=points", "data.x=[0,1,2,3]", "data.y=[0,1,1,5]", "data.batch_size=3"],
    "logistic": ["loss=logistic", "data=points", "data.x=[0,1,2,3]", "data.y=[0,1,0,1]"],
    "classes": ["data=iris", "optimizer=adam", "data.batch_size=16"],
    "classes of a network": ["data=iris", "optimizer=adam", "data.batch_size=16", "model=two_layer"],
    "wide": [*NET, "model.hidden=33", "data.outputs=4", "model.bias=false", "model.activation=identity"],
}  # fmt: skip
ALL = [*CASES, *(pytest.param(name, marks=pytest.mark.long) for name in LONG)]


@pytest.fixture(autouse=True)
def cache(tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch) -> None:
    if "LD_PRELOAD" not in os.environ:
        monkeypatch.setenv("DESCENT_LAB_CACHE", str(tmp_path_factory.getbasetemp() / "compiled"))


def rules(root: Path, words: Sequence[str], rates: Sequence[float], dtype: str = "float64") -> RuleStepper:
    jobs = [[f"optimizer.lr={rate}", f"seed={seed}"] for seed, rate in enumerate(rates)]
    built = build.build_members(specs(root, [f"model.dtype={dtype}", "logger=none", *words], jobs))
    assert all(isinstance(one, Member) for one in built), built
    return build.build_rule_stepper([one for one in built if isinstance(one, Member)])


RATES = [0.003, 0.01, 0.001]


@pytest.mark.parametrize("name", ALL)
def test_it_takes_the_steps_of_the_rules(tmp_path: Path, name: str) -> None:
    words = {**CASES, **LONG}[name]
    eager, compiled = rules(tmp_path, words, RATES), CompiledStepper.of(rules(tmp_path, words, RATES))
    expected, losses = eager.step(0, STEPS), torch.cat([compiled.step(0, 7), compiled.step(7, STEPS - 7)])
    assert eager.raised is None
    assert compiled.raised is None
    torch.testing.assert_close(losses, expected, rtol=1e-9, atol=1e-12 * float(expected[0].max()))
    for (key, ours), theirs in zip(
        compiled.state(STEPS).leaves.items(), eager.state(STEPS).leaves.values(), strict=True
    ):
        if isinstance(ours, torch.Tensor) and isinstance(theirs, torch.Tensor):
            assert torch.allclose(ours, theirs, rtol=1e-8, atol=1e-10), key


@pytest.mark.parametrize(("name", "dtype"), [*((name, "float64") for name in CASES), ("added up", "float32")])
def test_a_member_has_the_same_bits_in_any_stack(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str, dtype: str
) -> None:
    monkeypatch.setattr(kernel, "WORK", 1)  # two threads for however little
    more = [0.004] * (40 if name == "condensed" else 2)  # several vectors of members side by side, and a part of one
    whole = CompiledStepper.of(rules(tmp_path, CASES[name], [*RATES, *more], dtype))
    few = CompiledStepper.of(rules(tmp_path, CASES[name], RATES[:1], dtype))
    alone, losses = few.step(0, STEPS), whole.step(0, 20)
    keep = [3, 0, *range(4, whole.size)]
    some = whole.select(keep)
    torch.set_num_threads(2)
    try:
        later = some.step(20, STEPS - 20)
    finally:
        torch.set_num_threads(1)
    assert torch.equal(torch.cat([losses[:, 0], later[:, 1]]), alone[:, 0])
    assert torch.equal(some.flat[1], few.flat[0])
    kept = whole.state(20)
    whole.step(20, 5)
    whole.load(kept)
    assert torch.equal(whole.step(20, STEPS - 20)[:, keep], later)


@pytest.mark.long
def test_it_reads_and_writes_nothing_but_its_own(tmp_path: Path) -> None:
    libraries = [  # torch throws exceptions, which the sanitizer looks at
        subprocess.run(["cc", f"-print-file-name={name}"], capture_output=True, text=True, check=True).stdout.strip()
        for name in ("libasan.so", "libstdc++.so.6")
    ]
    environment = {
        "CC": "cc -fsanitize=address,undefined -fno-sanitize-recover=all -O1",
        "LD_PRELOAD": " ".join(libraries),
        "ASAN_OPTIONS": "detect_leaks=0",
        "DESCENT_LAB_CACHE": str(tmp_path),
    }
    tests = f"{__file__}::{test_it_takes_the_steps_of_the_rules.__name__}"
    done = subprocess.run(
        [sys.executable, "-m", "pytest", "-q", "-n", "0", "-p", "no:cacheprovider", tests],
        env={**os.environ, **environment}, capture_output=True, text=True,
    )  # fmt: skip
    assert done.returncode == 0, done.stdout[-2000:] + done.stderr[-2000:]
    assert f"{len(ALL)} passed" in done.stdout


def test_what_overflows_is_seen(tmp_path: Path) -> None:
    words = [*NET, "optimizer=sgd"]
    compiled = CompiledStepper.of(rules(tmp_path, words, [1e30, 0.01], "float32"))
    losses = compiled.step(0, STEPS)
    assert not bool(losses[-1, 0].isfinite())
    assert bool(losses[:, 1].isfinite().all())


def test_a_sweep_says_what_stepped_it_and_goes_without_where_there_is_no_compiler(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    shared = [*CASES["condensed"], "trainer.max_steps=30", "model.dtype=float64", "logger=none"]
    jobs = [["optimizer.lr=0.01"], ["optimizer.lr=0.003"], ["optimizer.lr=30"]]
    ours = stacked(tmp_path / "compiled", shared, jobs, choice=Choice("compiled"))
    assert [one.stepper["name"] for one in ours] == ["compiled"] * 3
    assert [one.status for one in ours] == ["completed", "completed", "diverged"]
    assert not capsys.readouterr().err
    compiler.library.cache_clear()
    tell_once.cache_clear()
    monkeypatch.setenv("CC", "false")
    monkeypatch.setenv("DESCENT_LAB_CACHE", str(tmp_path / "none"))
    theirs = stacked(tmp_path / "rules", shared, jobs, choice=Choice("compiled"))
    assert [one.stepper["name"] for one in theirs] == ["rules"] * 3
    assert "stepped by rules, not by compiled code: false failed" in capsys.readouterr().err
    for one, other in zip(ours[:2], theirs, strict=False):
        assert one.metrics["train/loss"] == pytest.approx(other.metrics["train/loss"], rel=1e-9)


def test_what_has_no_c_is_told(tmp_path: Path) -> None:
    surface = rules(tmp_path, ["model=surface", "optimizer=sgd"], RATES)
    with pytest.raises(NotCompiledError, match="there is no C of the loss value"):
        CompiledStepper.of(surface)
    wide = rules(tmp_path / "wide", ["data=random", "data.inputs=1000", "model=two_layer", "model.hidden=100"], RATES)
    with pytest.raises(NotCompiledError, match=r"101,110 parameters are more"):
        CompiledStepper.of(wide)
