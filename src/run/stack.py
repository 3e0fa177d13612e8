"""A stack from its first block to its last. Nobody listens to it, so it has none of Lightning's events."""

import warnings
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path

from src.engine.checkpoint import FORMAT
from src.engine.loop import Loop
from src.interrupts import asked, held, stop_if_asked
from src.run_directory.checkpoint_file import save
from src.seeds import seeded


def descend(loop: Loop, blocks: Iterable[range], after: Sequence[Callable[[Loop], None]], seed: int) -> None:
    """Take the steps of all blocks, or those until nobody is left; validate in between, and at the end.

    Args:
        loop: of the members.
        blocks: from the loop's step to the last one.
        after: what is called after a block, and after what is decided at its end.
        seed: of the global random numbers meanwhile.

    Raises:
        KeyboardInterrupt: it was interrupted; what the last block has led to is decided, and saved.
    """
    intervals = loop.intervals
    with warnings.catch_warnings(), seeded(seed), held():
        warnings.filterwarnings("ignore", category=FutureWarning)
        loop.stepper.train()
        loop.start()
        for block in blocks:
            stop_if_asked()
            loop.advance(block)
            if not loop.over and (loop.step % intervals.val_every == 0 or loop.step >= intervals.max_steps):
                loop.validate()
                loop.decide()
            for one in after:
                one(loop)
            if loop.over:
                return
        loop.leave_with_all_steps()


class StackCheckpoint:
    """All members in one file, at multiples of `every_n_steps` and where it is interrupted, to go on from after that or
    a kill; deleted at the end.

    Args:
        path: of the file.
        every_n_steps: optimizer steps.
        any_length: the fingerprint of each member without its length, by its id.
        rungs: steps at which it is written as well, once it is decided who goes on.
        before: is called before it is written: who is not in it any more has to be on disk.
    """

    def __init__(
        self,
        path: Path,
        every_n_steps: int,
        any_length: Mapping[str, str],
        rungs: Sequence[int],
        before: Callable[[], None],
    ) -> None:
        self.path, self.every_n_steps, self.any_length, self.rungs = path, every_n_steps, any_length, rungs
        self.before = before

    def __call__(self, loop: Loop) -> None:
        """At the end of all there is nothing to go on from."""
        due = loop.step % self.every_n_steps == 0 or loop.step in self.rungs or asked()
        if due and not (loop.over or loop.step >= loop.intervals.max_steps):
            self.before()
            save_stack(self.path, loop, self.any_length)


def save_stack(path: Path, loop: Loop, any_length: Mapping[str, str]) -> None:
    """What a stack of these members goes on from; of the fingerprints those of others are left out."""
    path.parent.mkdir(parents=True, exist_ok=True)
    kept = {name: any_length[name] for name in loop.ids}
    save(path, {"format": FORMAT, "any_length": kept, **loop.state_dict()})
