"""A limit of time."""

from typing import Any

from lightning.pytorch.callbacks import Timer


class TimeLimit(Timer):
    """Lightning's Timer, for this session only: time spent before a resume does not count.

    Args:
        duration: DD:HH:MM:SS, or a mapping such as {seconds: 30}.
    """

    def state_dict(self) -> dict[str, Any]:
        """Keep nothing: a checkpoint does not say how much time was spent."""
        return {}

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """Load nothing: the limit is of this session."""
