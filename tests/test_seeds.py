"""Streams of random numbers, and the global generators that code of the user's own draws from."""

import random
from collections.abc import Callable

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from src.seeds import packed, random_state, seeded, set_random_state, stream, unpacked

CPU = torch.device("cpu")

DRAWS: dict[str, Callable[[], list[float]]] = {
    "torch": lambda: torch.rand(3).tolist(),
    "torch normal": lambda: torch.randn(1, dtype=torch.float64).tolist(),
    "numpy": lambda: np.random.random_sample(3).tolist(),
    # a Gaussian of NumPy's and of Python's legacy generators comes in pairs, the second of which is kept
    "numpy normal": lambda: [np.random.standard_normal()],
    "python": lambda: [random.random() for _ in range(3)],
    "python normal": lambda: [random.gauss(0.0, 1.0)],
}
"""A few numbers of every global generator."""

names = st.lists(st.sampled_from(sorted(DRAWS)), max_size=8)


def draw(some: list[str]) -> list[list[float]]:
    return [DRAWS[name]() for name in some]


def everything() -> list[list[float]]:
    """What all of them come to next, two of each."""
    return draw(2 * sorted(DRAWS))


@pytest.fixture(autouse=True)
def _global_generators_as_they_were():
    with torch.random.fork_rng(devices=[]):
        numpy, python = np.random.get_state(), random.getstate()
        yield
        np.random.set_state(numpy)
        random.setstate(python)


@given(seed=st.integers(0, 2**32 - 1), name=st.text(max_size=8), before=names)
def test_a_seed_and_a_name_say_what_is_drawn(seed, name, before):
    with seeded(seed, name):
        first = everything()
    draw(before)
    with seeded(seed, name):
        assert everything() == first


@given(seed=st.integers(0, 2**32 - 2))
def test_other_seeds_and_other_names_are_other_streams(seed):
    found = []
    for one, name in ((seed, "training"), (seed + 1, "training"), (seed, "building")):
        with seeded(one, name):
            found.append(everything())
    for index in range(len(found[0])):
        assert len({tuple(each[index]) for each in found}) == 3


def test_it_is_the_stream_of_the_same_seed_and_name():
    with seeded(3, "training"):
        drawn = torch.rand(4)
    assert torch.equal(drawn, torch.rand(4, generator=stream(3, "training")))


@given(before=names, inside=names)
def test_the_callers_generators_do_not_notice(before, inside):
    draw(before)
    state = random_state(CPU)
    expected = everything()
    set_random_state(state, CPU)
    with seeded(0):
        draw(inside)
    assert everything() == expected


def test_the_callers_generators_do_not_notice_what_was_raised():
    state = random_state(CPU)
    expected = everything()
    set_random_state(state, CPU)

    def fail() -> None:
        with seeded(0):
            everything()
            raise KeyError

    with pytest.raises(KeyError):
        fail()
    assert everything() == expected


@given(before=names, after=names)
def test_a_state_brings_back_the_same_draws(before, after):
    """After an odd number of Gaussians the second of a pair is waiting, and belongs to the state."""
    draw(before)
    state = random_state(CPU)
    expected = draw(after) + everything()
    set_random_state(state, CPU)
    assert draw(after) + everything() == expected


def test_a_state_is_plain_tensors_that_a_file_holds(tmp_path):
    np.random.standard_normal()
    random.gauss(0.0, 1.0)
    state = random_state(CPU)
    torch.save(packed(state), tmp_path / "state")
    expected = everything()
    set_random_state(unpacked(torch.load(tmp_path / "state", weights_only=True)), CPU)
    assert everything() == expected


def test_to_look_changes_nothing():
    state = random_state(CPU)
    expected = everything()
    set_random_state(state, CPU)
    random_state(CPU)
    assert everything() == expected


def test_a_state_is_a_copy():
    state = packed(random_state(CPU))
    kept = {name: value.clone() for name, value in state.items()}
    everything()
    assert state.keys() == kept.keys()
    assert all(torch.equal(state[name], value) for name, value in kept.items())
