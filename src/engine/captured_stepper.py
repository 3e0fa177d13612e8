"""Many members on a GPU, which waits for Python before every kernel: steps are captured as one graph, and replayed."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from typing import Protocol

import torch
from torch import Tensor

from src.engine.rule_stepper import RuleStepper
from src.engine.stepper import Leaf
from src.errors import one_line
from src.optim.rules.rule import State
from src.optim.stacked_rule import StackedRule

MOST_AHEAD = 2**23
"""For how many members and steps scalars are computed ahead."""
LARGEST_ORDER = 2**24
"""Numbers of rows that steps to come see, which are on the device at once."""
MOST_GRAPHS = 8
"""Kinds of chunks that are kept as graphs."""
ORDER = "order of rows"
"""What is beside a rule's scalars, whose names are those of arguments."""


class Graphs(Protocol):
    """What captures work on tensors, and repeats it on the same tensors without Python."""

    def warm(self) -> AbstractContextManager[None]:
        """Inside, work is done as it will be when it is captured."""

    def capture(self, work: Callable[[], Tensor]) -> tuple[Callable[[], object], Tensor]:
        """Take down what `work` does; none of it is done.

        Returns:
            what does it, and the tensor where its result is then.

        Raises:
            Exception: it does what cannot be captured.
        """


class CudaGraphs:
    """CUDA's own. Nothing else here talks to `torch.cuda`."""

    def __init__(self, device: torch.device) -> None:
        self._stream = torch.cuda.Stream(device)

    @contextmanager
    def warm(self) -> Iterator[None]:
        """Work on the stream that captures: handles and workspaces are made outside of a capture."""
        self._stream.wait_stream(torch.cuda.current_stream())
        with torch.cuda.stream(self._stream):
            yield
        torch.cuda.current_stream().wait_stream(self._stream)

    def capture(self, work: Callable[[], Tensor]) -> tuple[Callable[[], object], Tensor]:
        """See `Graphs`; other threads may use the GPU meanwhile."""
        graph = torch.cuda.CUDAGraph()
        taking = torch.cuda.graph(graph, stream=self._stream, capture_error_mode="thread_local")
        with self.warm(), taking:  # torch would not leave the stream of a capture that fails
            made = work()
        return graph.replay, made


def graphs_of(device: torch.device) -> Graphs | None:
    """What captures work on this device; None: nothing does."""
    return CudaGraphs(device) if device.type == "cuda" else None


@dataclass(frozen=True)
class _Chunk:
    """Captured steps: they read, change and fill the same tensors whenever they are replayed.

    Attributes:
        reads: the rule's scalars `[K, P]` by name, and in what `ORDER` rows are seen.
        state: of the rule.
        before: the gradient of the step before, where they add up.
        replay: takes the steps.
        losses: before each of them, `[K, P]`.
    """

    reads: Mapping[str, Tensor]
    state: Sequence[State]
    before: Tensor | None
    replay: Callable[[], object]
    losses: Tensor


class CapturedStepper(RuleStepper):
    """A `RuleStepper` with a rule, whose steps a GPU takes without waiting for Python: to the same bits.

    Steps of a kind (how many, how many rows each sees, when gradients are zeroed) are taken as there when they come
    for the first time, captured when they come again and held against those taken step by step, then replayed.

    Attributes:
        graphs: capture them; None: each step is taken as there.
        tell: takes why steps are no longer captured.
    """

    update: StackedRule
    graphs: Graphs | None = None
    tell: Callable[[str], object]

    @classmethod
    def of(cls, stepper: RuleStepper, graphs: Graphs, tell: Callable[[str], object]) -> CapturedStepper:
        """The same members."""
        parts = (stepper.module, stepper.flat, stepper.update, stepper.loss, stepper.data, stepper.treatment)
        made = cls(stepper.size, *parts, stepper.axis)
        made._begin(graphs, tell)
        return made

    def _begin(self, graphs: Graphs | None, tell: Callable[[str], object]) -> None:
        self.graphs, self.tell, self.update.most_ahead = graphs, tell, MOST_AHEAD
        self._chunks: dict[tuple[int, ...], _Chunk | None] = {}

    @torch.no_grad()
    def step(self, first: int, count: int) -> Tensor:
        """Take steps, see `Stepper.step`."""
        pieces, end, self.raised = list[Tensor](), first + count, None
        while first < end and self.raised is None:
            length = self._length(first, end - first)
            pieces.append(self._taken(first, length))
            first += length
        return torch.cat(pieces)

    def _length(self, first: int, count: int) -> int:
        """For how many of these steps the next chunk is: so that chunks of a kind come again."""
        order = LARGEST_ORDER // (len(self.flat) * max(self.data.sizes(first, 1)))
        most = max(1, min(count, self.update.longest, count if self.data.full_batch else order))
        period = math.lcm(self.data.period, self.treatment.zero_every or 1)
        over = (first + most) % period
        return most - over if over < most else most

    def _taken(self, first: int, count: int) -> Tensor:
        """Losses `[K, P]` before each of the steps of a chunk, which are taken."""
        adds_up = self.treatment.zero_every != 1
        if self.graphs is None or not first or (adds_up and self._before is None):
            return super().step(first, count)  # the first step of all makes state
        kind = (first % (self.treatment.zero_every or 1), *self.data.sizes(first, count))
        if kind not in self._chunks:
            if len(self._chunks) < MOST_GRAPHS:
                self._chunks[kind] = None
            with self.graphs.warm():
                return super().step(first, count)
        chunk = self._chunks[kind]
        if chunk is None:
            return self._taken_twice(kind, first, count)
        try:
            reads = self._ready(first, count)
        except Exception as error:  # a schedule of a user's own can raise anything
            self.raised = error
            return self.flat.new_empty(0, self.size)
        for place, values in zip(chunk.reads.values(), reads.values(), strict=True):
            place.copy_(values)
        return self._replayed(chunk)

    def _taken_twice(self, kind: tuple[int, ...], first: int, count: int) -> Tensor:
        """The same, step by step and captured: the graph is kept if it has the bits of the steps."""
        assert self.graphs is not None
        before = self.state(first)
        with self.graphs.warm():
            losses = super().step(first, count)
        if self.raised is not None:
            return losses
        after = self.state(first + count)
        self.load(before)
        try:
            chunk = self._captured(first, count, self._ready(first, count))
            pairs: list[tuple[Leaf, Leaf]] = [(self._replayed(chunk), losses)]
            pairs += [(leaf, after.leaves[name]) for name, leaf in self.state(first + count).leaves.items()]
            why = "" if all(_same(*pair) for pair in pairs) else "its replay differs from them"
        except Exception as error:  # memory may be short, and a module of a user's own can ask for a number
            why = one_line(error)
        if why:
            self.graphs = None
            self.tell(why)
            self.load(after)
        else:
            self._chunks[kind] = chunk
        return losses

    def _ready(self, first: int, count: int) -> dict[str, Tensor]:
        """Make ready all that differs between chunks of a kind: the rule's scalars and the order of rows, by name."""
        self.update.start(first, count)
        order = self.data.order(first, count)
        return self.update.scalars(count) | ({} if order is None else {ORDER: order[0]})

    def _captured(self, first: int, count: int, reads: Mapping[str, Tensor]) -> _Chunk:
        """Steps that are ready, as a graph; they are not taken."""
        assert self.graphs is not None
        reads = {name: values.to(self.flat.device, copy=True) for name, values in reads.items()}
        scalars = {name: values for name, values in reads.items() if name != ORDER}
        state, before = self.update.places, None if self._before is None else self._before.clone()
        self._before = before

        def work() -> Tensor:
            with self.update.reading(scalars, count), self.data.reading(first, reads.get(ORDER)):
                losses = self._all(first, count)
            self.update.move(state)  # a rule may have made it anew
            if before is not None:
                assert self._before is not None
                before.copy_(self._before)
            return losses

        replay, losses = self.graphs.capture(work)
        self._before = before
        return _Chunk(reads, state, before, replay, losses)

    def _replayed(self, chunk: _Chunk) -> Tensor:
        """Its losses, after what it reads is where it looks."""
        self.update.move(chunk.state)
        if chunk.before is not None and self._before is not chunk.before:
            assert self._before is not None
            self._before = chunk.before.copy_(self._before)
        chunk.replay()
        return chunk.losses[:, : self.size].clone()

    def _all(self, first: int, count: int) -> Tensor:
        """Losses `[K, P]` before each of steps for which the update is ready, which are taken."""
        pieces, taken = list[Tensor](), 0
        while taken < count:
            ready = self.gradient.start(first + taken, count - taken)
            self._go(first + taken, ready, 0, taken)
            pieces.append(self.gradient.losses())
            taken += ready
        return torch.cat(pieces)

    def select(self, keep: Sequence[int]) -> CapturedStepper:
        """A stepper of some members, in this order, that goes on from here with copies; it captures anew."""
        some = super().select(keep)
        assert isinstance(some, CapturedStepper)
        some._begin(self.graphs, self.tell)
        return some


def _same(ours: Leaf, theirs: Leaf) -> bool:
    """Whether all numbers are, and those that are none alike; what is no tensor is not of a graph."""
    if not isinstance(ours, Tensor) or not isinstance(theirs, Tensor):
        return True
    return bool(((ours == theirs) | (ours.isnan() & theirs.isnan())).all())
