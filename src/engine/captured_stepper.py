"""Many members on a GPU, which waits for Python before every kernel: steps are captured as one graph, and replayed."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from typing import Protocol

import torch
from torch import Tensor

from src.engine.rule_stepper import RuleStepper
from src.errors import one_line
from src.optim.rules.rule import State
from src.optim.stacked_rule import StackedRule

LARGEST_ORDER = 2**24
"""Numbers of rows that steps to come see, which are on the device at once."""
MOST_GRAPHS = 8
"""Chunks of steps that are kept as graphs."""


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
        reads: the rule's scalars `[K, P]`, and in what order rows are seen.
        state: of the rule.
        before: the gradient of the step before, where they add up.
        replay: takes the steps.
        losses: before each of them, `[K, P]`.
    """

    reads: Sequence[Tensor]
    state: Sequence[State]
    before: Tensor | None
    replay: Callable[[], object]
    losses: Tensor


class CapturedStepper(RuleStepper):
    """A `RuleStepper` with a rule, whose steps a GPU takes without waiting for Python: to the same bits.

    Steps of a kind (how many, how many rows each sees, when gradients are zeroed) are taken as there when they come
    for the first time, captured when they come again, and replayed from then on.

    Attributes:
        graphs: capture them; None: each step is taken as there, since one could not be captured.
        tell: takes why.
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
        self.graphs, self.tell = graphs, tell
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
        known, kept = self._chunks[kind], None if self._chunks[kind] else self.state(first)
        try:
            self.update.start(first, count)
        except Exception as error:  # a schedule of a user's own can raise anything
            self.raised = error
            return self.flat.new_empty(0, self.size)
        scalars, order = self.update.scalars(count), self.data.order(first, count)
        reads = [*scalars.values(), *(() if order is None else (order[0],))]
        if known is None:
            try:
                known = self._chunks[kind] = self._captured(first, count, list(scalars), reads)
            except Exception as error:  # memory may be short, and a module of a user's own can ask for a number
                self.graphs = None
                self.tell(one_line(error))
                assert kept is not None
                self.load(kept)
                return super().step(first, count)
        for place, values in zip(known.reads, reads, strict=True):
            place.copy_(values)
        self.update.move(known.state)
        if known.before is not None and self._before is not known.before:
            assert self._before is not None
            self._before = known.before.copy_(self._before)
        known.replay()
        return known.losses[:, : self.size].clone()

    def _captured(self, first: int, count: int, names: Sequence[str], reads: Sequence[Tensor]) -> _Chunk:
        assert self.graphs is not None
        reads = [values.to(self.flat.device, copy=True) for values in reads]
        state, before = self.update.places, None if self._before is None else self._before.clone()
        scalars, order = dict(zip(names, reads, strict=False)), None if self.data.full_batch else reads[-1]
        self._before = before

        def work() -> Tensor:
            with self.update.reading(scalars, count), self.data.reading(first, order):
                losses = self._all(first, count)
            self.update.move(state)  # a rule may have made it anew
            if before is not None:
                assert self._before is not None
                before.copy_(self._before)
            return losses

        replay, losses = self.graphs.capture(work)
        self._before = before
        return _Chunk(reads, state, before, replay, losses)

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
