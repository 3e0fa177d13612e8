"""Streams of random numbers: generators seeded by (seed, name), so that no stream is another's by accident.

The lab draws from its own streams only. The global generators of torch, NumPy and Python are seeded and kept for code
of the user's own: a module with dropout, an optimizer that draws.
"""

import hashlib
import random
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any

import numpy as np
import torch
from torch import Generator, Tensor

RandomState = dict[str, Any]
"""Of each global generator its state."""


def stream(seed: int, name: str) -> Generator:
    """A CPU generator of its own for everything that is drawn under `name`; torch takes 32 bits of its seed."""
    digest = hashlib.blake2b(f"{seed}/{name}".encode(), digest_size=8).digest()
    return Generator().manual_seed(int.from_bytes(digest, "little") >> 1)


@contextmanager
def seeded(seed: int, name: str = "training") -> Iterator[None]:
    """The global generators, seeded by (seed, name); afterwards they are where they were."""
    own = stream(seed, name).initial_seed()
    numpy, python = np.random.get_state(), random.getstate()
    with torch.random.fork_rng(devices=range(torch.cuda.device_count())):
        torch.manual_seed(own)
        np.random.seed(own % 2**32)
        random.seed(own)
        try:
            yield
        finally:
            np.random.set_state(numpy)
            random.setstate(python)


def random_state(device: torch.device) -> RandomState:
    """Of the global generators of torch (that of the device, too), NumPy and Python, as they give it."""
    state = {"torch": torch.get_rng_state(), "numpy": np.random.get_state(legacy=True), "python": random.getstate()}
    return state | ({"cuda": torch.cuda.get_rng_state(device)} if device.type == "cuda" else {})


def set_random_state(state: RandomState, device: torch.device) -> None:
    """Put the global generators where they were."""
    torch.set_rng_state(state["torch"])
    np.random.set_state(state["numpy"])
    random.setstate(state["python"])
    if device.type == "cuda" and "cuda" in state:
        torch.cuda.set_rng_state(state["cuda"], device)


def packed(state: RandomState) -> dict[str, Tensor]:
    """As tensors, which a checkpoint may hold."""
    _, keys, position, has_gauss, gauss = state["numpy"]
    _, numbers, cached = state["python"]
    return {
        **{name: state[name] for name in ("torch", "cuda") if name in state},
        "numpy": torch.from_numpy(np.asarray(keys, dtype=np.int64)),
        "numpy_gauss": torch.tensor([position, has_gauss, gauss], dtype=torch.float64),
        "python": torch.tensor(numbers, dtype=torch.int64),
        "python_gauss": torch.tensor([] if cached is None else [cached], dtype=torch.float64),
    }


def unpacked(kept: Mapping[str, Tensor]) -> RandomState:
    """What `packed` was given."""
    position, has_gauss, gauss = kept["numpy_gauss"].tolist()
    cached = kept["python_gauss"].tolist()
    return {
        **{name: kept[name] for name in ("torch", "cuda") if name in kept},
        "numpy": ("MT19937", kept["numpy"].numpy().astype(np.uint32), int(position), int(has_gauss), float(gauss)),
        "python": (3, tuple(kept["python"].tolist()), cached[0] if cached else None),
    }
