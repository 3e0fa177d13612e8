"""TensorBoard's event files: of all members of a stack at once, or one by itself.

Members log the same tags at the same steps, so their records differ in the four bytes of a value and the checksum over
them: what a writer of one file at a time spends on each record is here spent once for all members. For 1,000 runs of
200 points that is 1 s, where torch's SummaryWriter takes 26 s and tensorboard's RecordWriter 14 s (one core).
"""

import itertools
import os
import socket
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cache, lru_cache
from pathlib import Path
from typing import Any

import numpy as np
from omegaconf import OmegaConf
from tensorboard.compat.proto.event_pb2 import Event, SourceMetadata
from tensorboard.compat.proto.summary_pb2 import Summary

from src.config.schema import Config, flat

Bytes = np.ndarray[Any, np.dtype[np.uint8]]
Codes = np.ndarray[Any, np.dtype[np.uint32]]
Hyperparameters = Mapping[str, int | float | str | bool]

HEADER = 12
"""Bytes before a record's data: their length and its checksum."""
AT_ONCE = 256
"""Members whose files are in memory together."""

TOGETHER = {
    "theory": {
        "loss": ["Multiline", ["train/loss", "theory/.*"]],
        "sharpness": ["Multiline", ["sharpness/.*"]],
    }
}
"""Charts of TensorBoard's page Custom Scalars, which holds curves beside each other."""

_numbers = itertools.count()


@dataclass(frozen=True)
class Curve:
    """A scalar of every member over steps.

    Attributes:
        tag: what TensorBoard calls it.
        steps: `[T]`, optimizer steps.
        values: `[T, P]`, written as float32; what is not finite is written as it is.
        there: `[T, P]`, which of them there are; None: all. (A loss can be NaN, so NaN cannot say it.)
    """

    tag: str
    steps: Sequence[int]
    values: np.ndarray[Any, Any]
    there: np.ndarray[Any, np.dtype[np.bool_]] | None = None


@dataclass(frozen=True)
class Board:
    """The file of one member, apart from the curves.

    Attributes:
        directory: it goes into; there is no other event file in it afterwards.
        step: at which hyperparameters and metrics are shown.
        hyperparameters: flat; what Lightning's logger would turn into text is text already.
        metrics: shown beside them. Without any, no hyperparameters are written, as Lightning does.
        summaries: what is no curve, each with its step.
    """

    directory: Path
    step: int
    hyperparameters: Hyperparameters
    metrics: Mapping[str, float]
    summaries: Sequence[tuple[int, Any]] = ()


@dataclass(frozen=True)
class Clock:
    """When a step was taken, for TensorBoard's axes of time.

    Attributes:
        began: seconds since the epoch at step 0.
        seconds_a_step: that the stack took.
    """

    began: float
    seconds_a_step: float = 0.0

    def at(self, step: int) -> float:
        """When that step was taken, in seconds since the epoch."""
        return self.began + step * self.seconds_a_step


def write_events(
    boards: Sequence[Board], curves: Sequence[Curve], clock: Clock, charts: Mapping[str, Any] | None = None
) -> None:
    """Write what `SummaryWriter` and Lightning's `TensorBoardLogger` write for as many runs, but for figures.

    Args:
        boards: of `P` members, in the order of the curves' values.
        curves: written by steps, at one step in this order.
        clock: when they were taken.
        charts: for TensorBoard's page Custom Scalars, as `SummaryWriter.add_custom_scalars` takes them.

    Raises:
        OSError: a file cannot be written.
    """
    from torch.utils.tensorboard.summary import custom_scalars  # imports torch, which a finished sweep does without

    before = _framed([_version(clock), *([_event(custom_scalars(dict(charts)), 0, clock)] if charts else [])])
    name = f"events.out.tfevents.{int(clock.began):010d}.{socket.gethostname()}.{os.getpid()}"
    for first in range(0, len(boards), AT_ONCE):
        some = slice(first, min(first + AT_ONCE, len(boards)))
        endings = [_ending(board, clock) for board in boards[some]]
        framed = iter(_framed(list(itertools.chain(*endings))))
        for board, scalars, ending in zip(boards[some], _scalars(curves, some, clock), endings, strict=True):
            after = itertools.islice(framed, len(ending))
            _replace(board.directory, f"{name}.{next(_numbers)}", b"".join([*before, scalars, *after]))


def event_file(curves: Sequence[Curve], summaries: Sequence[tuple[int, Any]], clock: Clock) -> bytes:
    """The content of one file.

    Args:
        curves: of one member, written by steps, at one step in this order.
        summaries: after them, each with its step.
        clock: when the steps were taken.
    """
    events = [_event(summary, step, clock) for step, summary in summaries]
    return b"".join([*_framed([_version(clock)]), *_scalars(curves, slice(0, 1), clock), *_framed(events)])


def hyperparameters(config: Config) -> dict[str, int | float | str | bool]:
    """What loggers show of a config: keys joined by dots; what is no number, text or flag as text."""
    shown = {key: value for key, value in flat(config.decisive()).items() if value != {}}
    return {
        key: value if isinstance(value, int | float | str | bool) else str(value)
        for key, value in shown.items()
        if key.rpartition(".")[2] != "_partial_"
    }


def hyperparameters_yaml(hyperparameters: Hyperparameters) -> str:
    """The text of `hparams.yaml`, which Lightning's logger writes beside the event file."""
    # a mapping without nesting is its lines, and members share most of them; repr tells 1 from 1.0 and True
    return "".join(_line(key, repr(value), value) for key, value in hyperparameters.items()) or "{}\n"


@lru_cache(maxsize=65536)
def _line(key: str, shown: str, value: Any) -> str:
    return OmegaConf.to_yaml({key: value})


def _replace(directory: Path, name: str, content: bytes) -> None:
    """Write a file, in place of the one that a stack left which was stopped before the run's result was there."""
    with os.scandir(directory) as entries:
        stale = [entry.path for entry in entries if entry.name.startswith("events.out.tfevents.")]
    for path in stale:
        os.unlink(path)
    with open(os.path.join(directory, name), "wb") as file:
        file.write(content)


# --- events ----------------------------------------------------------------------------------------------------------


def _version(clock: Clock) -> bytes:
    """The first record of an event file."""
    source = SourceMetadata(writer="tensorboard.summary.writer.event_file_writer")
    event = Event(wall_time=clock.began, file_version="brain.Event:2", source_metadata=source)
    return event.SerializeToString()


def _event(summary: Any, step: int, clock: Clock) -> bytes:
    return Event(wall_time=clock.at(step), step=step, summary=summary).SerializeToString()


def _scalar(tag: str, step: int, value: float, clock: Clock) -> bytes:
    return _event(Summary(value=[Summary.Value(tag=tag, simple_value=value)]), step, clock)


def _ending(board: Board, clock: Clock) -> list[bytes]:
    """A member's summaries, its metrics, and its hyperparameters in three records."""
    drawn = [_event(summary, step, clock) for step, summary in board.summaries]
    if not board.metrics:
        return drawn
    shown = [_scalar(name, board.step, value, clock) for name, value in board.metrics.items()]
    from torch.utils.tensorboard.summary import hparams

    summaries = hparams(dict(board.hyperparameters), dict(board.metrics))
    return [*drawn, *shown, *(_event(summary, board.step, clock) for summary in summaries)]


def _scalars(curves: Sequence[Curve], some: slice, clock: Clock) -> Iterator[bytes]:
    """The records of some members' curves, a member at a time."""
    points = [(step, curve, row) for curve in curves for row, step in enumerate(curve.steps)]
    points.sort(key=lambda point: point[0])
    if not points:
        yield from itertools.repeat(b"", some.stop - some.start)
        return
    # of an event with one scalar the value's four bytes are the last, so all before them is the members' own
    starts = [_scalar(curve.tag, step, 0.0, clock)[:-4] for step, curve, _ in points]
    with np.errstate(over="ignore"):  # what is too large for float32 is infinite there, as protobuf has it
        values = np.stack([curve.values[row, some] for _, curve, row in points], axis=1).astype("<f4", order="C")
    buffer, ends = _filled(starts, values)
    present = _present(points, some, values.shape)
    lengths = np.diff(ends, prepend=0)
    for index, row in enumerate(buffer):
        yield (row if present is None else row[np.repeat(present[index], lengths)]).tobytes()


def _present(
    points: Sequence[tuple[int, Curve, int]], some: slice, shape: tuple[int, ...]
) -> np.ndarray[Any, np.dtype[np.bool_]] | None:
    """Which points `[P, N]` there are; None: all."""
    if all(curve.there is None for _, curve, _ in points):
        return None
    present = np.ones(shape, dtype=bool)
    for column, (_, curve, row) in enumerate(points):
        if curve.there is not None:
            present[:, column] = curve.there[row, some]
    return present


def _filled(starts: Sequence[bytes], values: np.ndarray[Any, Any]) -> tuple[Bytes, np.ndarray[Any, Any]]:
    """Records `[P, R]` of events that start with the same bytes and end in a value of `values` `[P, N]`.

    Returns:
        the records, and where each of the `N` ends.
    """
    lengths = [len(start) + 4 for start in starts]
    gap = bytes(8)
    template = b"".join(header + start + gap for header, start in zip(_headers(lengths), starts, strict=True))
    ends = np.cumsum(lengths) + (HEADER + 4) * np.arange(1, len(starts) + 1)
    buffer = np.tile(np.frombuffer(template, dtype=np.uint8), (len(values), 1))
    low, high = values.view("<u2")[:, 0::2], values.view("<u2")[:, 1::2]
    code = _next(_next(np.broadcast_to(_code(starts), values.shape), low), high)
    for content, offset in ((values, 8), (_masked(code), 4)):
        where = (ends - offset)[:, None] + np.arange(4)
        buffer[:, where] = content.view(np.uint8).reshape(*values.shape, 4)
    return buffer, ends


# --- records ---------------------------------------------------------------------------------------------------------


def _framed(data: Sequence[bytes]) -> list[bytes]:
    """Records as TensorFlow frames them: length, its checksum, the data, its checksum."""
    if not data:
        return []
    checksums = _masked(_code(data)).tobytes()
    headers = _headers([len(one) for one in data])
    ends = (checksums[at : at + 4] for at in range(0, len(checksums), 4))
    return [header + one + end for header, one, end in zip(headers, data, ends, strict=True)]


def _headers(lengths: Iterable[int]) -> list[bytes]:
    sizes = [length.to_bytes(8, "little") for length in lengths]
    checksums = _masked(_code(sizes)).tobytes()
    return [size + checksums[4 * index : 4 * index + 4] for index, size in enumerate(sizes)]


@cache
def _table() -> Codes:
    """What 16 bits add to the checksum CRC-32C (RFC 3720, section 12.1; polynomial 0x1EDC6F41, bits reversed)."""
    code = np.arange(65536, dtype=np.uint32)
    for _ in range(16):
        code = np.where(code & 1, code >> 1 ^ np.uint32(0x82F63B78), code >> 1)
    return code


def _next(code: Codes, word: np.ndarray[Any, Any]) -> Codes:
    """The checksum after 16 more bits, the lower byte first."""
    following: Codes = _table()[(code ^ word) & 0xFFFF] ^ (code >> 16)
    return following


def _code(data: Sequence[bytes]) -> Codes:
    """The checksum's register `[N]` after each of these texts of at least 4 bytes, before it is inverted and masked.

    It starts with all bits set. That is the same as starting at 0 with the first four bytes inverted, and at 0 zeros
    change nothing: so texts of any lengths are put flush right into one table and read column by column.
    """
    width = max(map(len, data))
    width += width % 2
    padded = bytearray(b"".join(one.rjust(width, b"\0") for one in data))
    table = np.frombuffer(padded, dtype=np.uint8).reshape(len(data), width)
    starts = width - np.array([len(one) for one in data])
    table[np.arange(len(data))[:, None], starts[:, None] + np.arange(4)] ^= 0xFF
    code = np.zeros(len(data), dtype=np.uint32)
    for word in np.ascontiguousarray(table.view("<u2").T):
        code = _next(code, word)
    return code


def _masked(code: Codes) -> Codes:
    """Checksums as they are written: a checksum over data that hold checksums is a weak one, so they are disguised."""
    code = ~code
    masked: Codes = ((code >> 15 | code << 17) + np.uint32(0xA282EAD8)).astype("<u4")
    return masked
