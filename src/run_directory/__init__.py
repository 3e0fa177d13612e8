"""A run directory: its paths, and reading and writing of its files; and the other way to keep a run, `columns`.

It never imports torch, but where a checkpoint is made.
"""

from src.run_directory.curves import (
    FORESEEN,
    PROFILE_COLUMNS,
    MetricsFile,
    Row,
    numbers_of,
    read_profiles,
    read_rows,
    write_rows,
    write_theory,
)
from src.run_directory.directory import (
    CLASS_COLUMNS,
    MOST_ROWS,
    PREDICTION_COLUMNS,
    RunDirectory,
    check_once,
    look_at,
    typed,
)
from src.run_directory.result import LOSSES, Result, Status, units, what_it_is

__all__ = [
    "CLASS_COLUMNS",
    "FORESEEN",
    "LOSSES",
    "MOST_ROWS",
    "PREDICTION_COLUMNS",
    "PROFILE_COLUMNS",
    "MetricsFile",
    "Result",
    "Row",
    "RunDirectory",
    "Status",
    "check_once",
    "look_at",
    "numbers_of",
    "read_profiles",
    "read_rows",
    "typed",
    "units",
    "what_it_is",
    "write_rows",
    "write_theory",
]
