"""Streams of random numbers: generators seeded by (seed, name), so that no stream is another's by accident."""

import hashlib

from torch import Generator


def stream(seed: int, name: str) -> Generator:
    """A CPU generator of its own for everything that is drawn under `name`; torch takes 32 bits of its seed."""
    digest = hashlib.blake2b(f"{seed}/{name}".encode(), digest_size=8).digest()
    return Generator().manual_seed(int.from_bytes(digest, "little") >> 1)
