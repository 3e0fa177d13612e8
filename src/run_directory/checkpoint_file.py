"""Checkpoints as files: of one run, and of many in one file, from which that of each is made to the same bytes."""

import io
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from src.errors import LabError, one_line
from src.run_directory.place import place
from src.run_directory.seal import damage, sealed

KEY = "descent_lab"
"""Where a run's checkpoint keeps what is not torch's or Lightning's own, its fingerprint among it."""
Node = tuple[str, Any]
"""What trees have at a place: `"="` one value that all share, `"rows"` a tensor `[P, ...]` a row for each, `"each"` a
list of `P`; or `"dict"`, `"list"`, `"tuple"` of nodes, where all have as many, by the same keys."""


def save(path: Path, content: Mapping[str, Any]) -> None:
    """Write a checkpoint whole: a kill in the middle leaves the one before it.

    Raises:
        OSError: it cannot be written; `torch.save` itself makes a RuntimeError of a full disk.
    """
    place(path, written(content))


def written(content: Mapping[str, Any]) -> bytes:
    """A checkpoint as it stands in its file, sealed; the same bytes for the same values."""
    buffer = io.BytesIO()
    torch.save(_plain(content, set()), buffer)
    return sealed(buffer.getvalue(), content.get(KEY, {}).get("fingerprint", ""))


def read(path: Path) -> Any:
    """What `save` wrote.

    Raises:
        LabError: it cannot be read, see `loaded`.
    """
    try:
        content = path.read_bytes()
    except OSError as error:
        raise LabError(f"{path} cannot be read ({one_line(error)})") from None
    return loaded(content, str(path))


def loaded(content: bytes, name: str) -> Any:
    """What a checkpoint holds, on the CPU; only tensors and plain values are loaded, never code.

    Args:
        content: of its file.
        name: what it is called in a sentence.

    Raises:
        LabError: it is cut short, damaged, or holds objects of other classes.
    """
    if wrong := damage(content):
        raise LabError(f"{name}: {wrong}")
    try:
        return torch.load(io.BytesIO(content), map_location="cpu", weights_only=True)
    except Exception as error:  # whatever the unpickler stumbles over
        reason = one_line(error)
    try:
        classes = sorted(torch.serialization.get_unsafe_globals_in_checkpoint(io.BytesIO(content)))
    except Exception:
        classes = []
    if classes:
        raise LabError(f"{name}: it holds objects ({', '.join(classes)}), and only tensors and plain values are read")
    raise LabError(f"{name}: it is cut short or no checkpoint ({reason})")


def _plain(tree: Any, seen: set[int]) -> Any:
    """A copy that shares nothing but texts, which are one object where they are equal: pickle tells such from others.

    Args:
        tree: of dicts, lists, tuples, plain values and tensors.
        seen: where the tensors are that came before; one that lies there too is copied.
    """
    kind = type(tree)
    if kind is dict:
        return {_plain(key, seen): _plain(value, seen) for key, value in tree.items()}
    if kind is list or kind is tuple:
        return kind(_plain(inner, seen) for inner in tree)
    if kind is Tensor:
        if tree.data_ptr() in seen:
            return tree.clone()
        seen.add(tree.data_ptr())
    return sys.intern(tree) if kind is str else tree


def pack(trees: Sequence[Any]) -> Node:
    """Checkpoints of `P` members as one tree: what they share stands once, tensors are stacked."""
    first, kind = trees[0], type(trees[0])
    if all(tree is first for tree in trees):
        return "=", first
    if any(type(tree) is not kind for tree in trees):
        return "each", list(trees)
    if kind is dict:
        if any(list(tree) != list(first) for tree in trees):
            return "each", list(trees)
        return "dict", {key: pack([tree[key] for tree in trees]) for key in first}
    if kind is list or kind is tuple:
        if any(len(tree) != len(first) for tree in trees):
            return "each", list(trees)
        return kind.__name__, [pack(of_one) for of_one in zip(*trees, strict=True)]
    if kind is Tensor:
        alike = all(tree.shape == first.shape and tree.dtype == first.dtype and _alone(tree) for tree in trees)
        return ("rows", torch.stack(list(trees))) if alike else ("each", list(trees))
    shared = kind in (int, str, bool) and all(tree == first for tree in trees)
    return ("=", first) if shared else ("each", list(trees))


def _alone(tensor: Tensor) -> bool:
    """Whether its storage is all its own, so that a copy is written to the same bytes."""
    whole = tensor.untyped_storage().nbytes() == tensor.numel() * tensor.itemsize
    return whole and tensor.is_contiguous() and not tensor.requires_grad


def unpack(node: Node, index: int) -> Any:
    """The checkpoint of one of them."""
    kind, held = node
    match kind:
        case "dict":
            return {key: unpack(inner, index) for key, inner in held.items()}
        case "list":
            return [unpack(inner, index) for inner in held]
        case "tuple":
            return tuple(unpack(inner, index) for inner in held)
        case "rows":
            return held[index].clone()
        case "each":
            return held[index]
    return held


def packed(checkpoints: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    """The checkpoints of many runs, by name: the trees, and which of them is whose; one of two names is there once."""
    trees, at, of = list[Any](), dict[int, int](), dict[str, dict[int, int]]()
    for run, own in enumerate(checkpoints):
        for name, tree in own.items():
            if id(tree) not in at:
                at[id(tree)] = len(trees)
                trees.append(tree)
            of.setdefault(name, {})[run] = at[id(tree)]
    return {"trees": pack(trees), "of": of}


def unpacked(kept: Mapping[str, Any], run: int) -> dict[str, Any]:
    """Those of one of the runs, by its place among them."""
    own = {name: at[run] for name, at in kept["of"].items() if run in at}
    trees = {index: unpack(kept["trees"], index) for index in own.values()}
    return {name: trees[index] for name, index in own.items()}
