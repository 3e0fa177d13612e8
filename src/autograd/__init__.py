"""A formula, forward and backward: a room of its own, that imports nothing of the rest of the lab."""
