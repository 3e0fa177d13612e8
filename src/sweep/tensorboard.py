"""What TensorBoard shows of a sweep, in a directory small enough for `tensorboard --logdir outputs`.

A run for every seed of each optimizer's best setting, with its curves, and a row of HParams for every setting. A file's
name tells what it was made of, so what has not changed is not written again.
"""

import re
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import suppress
from functools import partial
from hashlib import blake2b
from itertools import chain
from pathlib import Path
from typing import Any

import numpy as np

from src.compare.rows import SEED_KEYS, Row, Words, by_setting, number, short, without_plus
from src.compare.selection import Contender, contenders, figure
from src.config.schema import TENSORBOARD, Config, digest
from src.errors import LabError
from src.run_directory import RunDirectory, read_rows
from src.sweep.call import Call, key_of
from src.sweep.ledger import Ledger

FOLDER = "tensorboard"
SETTINGS = "settings"
"""The folder of the rows of HParams; each of them is a run to TensorBoard."""
MOST = 200
"""Rows: TensorBoard shows no curve by itself where there are more than 500 runs, and is slow long before."""
LONGEST = 200
"""Bytes of a setting's name, which is that of a directory."""
PREFIX = "events.out.tfevents."
"""By these names TensorBoard finds its files."""
UNFINISHED = "unfinished"
OWN = re.compile(re.escape(PREFIX) + rf"(\d{{10}}\.\d+\.\d{{1,9}}|[0-9a-f]{{16}})|{UNFINISHED}")
"""The names of the files that a sweep writes: of curves, of a row, and of one that is half written."""
OPTIMIZER = ("optimizer._target_", "optimizer")

Content = Callable[[], bytes]


def folder_of(config: Config, directory: Path) -> Path | None:
    """Where a sweep's files for TensorBoard go: into the sweep directory, or where `save_dir` says; None: nowhere.

    Outside of the sweep directory it has the sweep's name, and six digits of where that is: two sweeps of one name do
    not meet.

    Args:
        config: of its run 0.
        directory: of the sweep.
    """
    whole, run = directory.resolve(), directory.absolute() / "0"
    for part in config.logger.values():
        if part is not None and part.target_ == TENSORBOARD and part.runs is not None:
            asked = Path(str(part.arguments().get("save_dir", run)))
            if asked.absolute().is_relative_to(run):
                return directory / FOLDER
            inside = asked.resolve().is_relative_to(whole)
            return asked / (whole.name if inside else f"{whole.name}-{digest(str(whole))[:6]}")
    return None


def write(ledger: Ledger, folder: Path) -> None:
    """Bring the files up to date with the runs that have ended.

    Each is whole from the moment that TensorBoard can find it. A file that changes gets another name, and what is no
    longer shown goes last: who is killed in between leaves too much, and never half of something.

    Args:
        ledger: of the sweep.
        folder: as `folder_of` gives it; what else is in it stays.

    Raises:
        OSError: a file cannot be written.
    """
    rows = sorted(ledger.ended(), key=lambda row: row.job)
    best = contenders(rows)
    wanted = dict(chain(_curves(ledger, best), _table(ledger, rows, best)))
    for path, content in wanted.items():
        if not (folder / path).exists():
            _put(folder / path, content())
    _take_away(folder, {folder / path for path in wanted})


def remark(rows: Sequence[Row]) -> str | None:
    """What HParams leaves out, in a sentence; None: nothing.

    Args:
        rows: the runs of a sweep that have ended.
    """
    settings = len(by_setting(rows))
    if settings <= MOST:
        return None
    return f"TensorBoard's HParams has {MOST} of {settings:,} settings, more would slow it down; results.csv has all"


# --- the best settings' curves ---------------------------------------------------------------------------------------


def _curves(ledger: Ledger, best: Sequence[Contender]) -> Iterator[tuple[Path, Content]]:
    """A file for every seed of the best settings, and of their confirmations."""
    names = _apart([(_named(winner.best.rows[0].setting, ledger), winner.first_job) for winner in best])
    for winner, name in zip(best, names, strict=True):
        shown = [*winner.best.rows, *winner.confirming]
        for row, seed in zip(shown, _apart([(_seeded(row), row.job) for row in shown]), strict=True):
            run = RunDirectory(ledger.directory / str(row.job))
            with suppress(OSError):  # without curves: it has failed, or they were taken away
                written = kept.part.written if (kept := run.kept) else run.curves_path.stat().st_mtime_ns
                file = f"{PREFIX}{written // 10**9:010}.{row.job}.{written % 10**9}"
                yield Path(name, seed, file), partial(_curves_of, run, written / 1e9)


def _curves_of(run: RunDirectory, ended: float) -> bytes:
    """An event file with what a run's curves hold, and what theory foresees of them; empty where they are broken."""
    from src.run.tensorboard import Clock, Curve, event_file

    if (kept := run.kept) is not None:
        lines = {f"theory/{name}": line for name, line in kept.foreseen.items()} | kept.curves
        curves = [Curve(name, at, values[:, None]) for name, (at, values) in lines.items() if values.ndim == 1]
    else:
        columns: dict[str, dict[int, float]] = {}
        for path, prefix in ((run.theory_path, "theory/"), (run.curves_path, "")):
            with suppress(LabError):  # not every run has a theory
                for step, values in read_rows(path):
                    for name, value in values.items():
                        columns.setdefault(prefix + name, {})[step] = value
        curves = [Curve(name, list(line), np.array(list(line.values()))[:, None]) for name, line in columns.items()]
    seconds, steps = _time_of(run)
    return event_file(curves, [], Clock(ended - seconds, seconds / max(1, steps)))


def _time_of(run: RunDirectory) -> tuple[float, int]:
    """The seconds of its descent, and the steps; zeros where its result cannot be read."""
    try:
        result = run.read_result()
        return float(result["seconds"]["fit"]), int(result["steps"])
    except (LabError, KeyError, TypeError, ValueError):
        return 0.0, 0


# --- a row a setting -------------------------------------------------------------------------------------------------


def _table(ledger: Ledger, rows: Sequence[Row], best: Sequence[Contender]) -> Iterator[tuple[Path, Content]]:
    """A file for every setting that is shown."""
    settings = by_setting(rows)
    shown = thinned(settings, {winner.first_job for winner in best}, MOST)
    names = _apart([(_named(of_one[0].setting, ledger), of_one[0].job) for of_one in shown])
    numeric = _numeric(of_one[0].setting for of_one in settings)
    for of_one, name in zip(shown, names, strict=True):
        content = _row(of_one, numeric, _ended(ledger, of_one))
        file = f"{PREFIX}{blake2b(content, digest_size=8).hexdigest()}"
        yield Path(SETTINGS, name, file), partial(bytes, content)


def thinned(settings: Sequence[Sequence[Row]], best: set[int], most: int) -> list[Sequence[Row]]:
    """At most so many settings: the best ones, and of the others evenly many all along.

    Args:
        settings: the runs of each, by job.
        best: the first jobs of the best ones.
        most: how many.
    """
    first = [index for index, of_one in enumerate(settings) if of_one[0].job in best][:most]
    others = [index for index in range(len(settings)) if index not in first]
    room = min(len(others), most - len(first))
    kept = [others[index] for index in np.linspace(0, len(others) - 1, room).round().astype(int)] if room else []
    return [settings[index] for index in sorted([*first, *kept])]


def _numeric(settings: Iterable[Words]) -> set[str]:
    """The keys whose words are all numbers; a column of HParams holds values of one type."""
    words: dict[str, set[str]] = {}
    for setting in settings:
        for key, word in setting.items():
            words.setdefault(key, set()).add(word)
    return {key for key, of_one in words.items() if all(number(word) is not None for word in of_one)}


def _ended(ledger: Ledger, rows: Sequence[Row]) -> float:
    """When the first of these runs ended, in seconds since the epoch; 0 where it left no result."""
    try:
        return RunDirectory(ledger.directory / str(rows[0].job)).ended_at / 1e9
    except OSError:
        return 0.0


def _row(rows: Sequence[Row], numeric: set[str], ended: float) -> bytes:
    """An event file with a setting's words, and its losses as the winners are chosen by them, where they are finite.

    The table's columns are left to TensorBoard, which finds out those of all sweeps that it is shown; where one file
    has them, it takes no others.
    """
    from tensorboard.compat.proto.summary_pb2 import Summary
    from tensorboard.plugins.hparams import api_pb2, metadata
    from tensorboard.plugins.hparams.plugin_data_pb2 import HParamsPluginData, SessionEndInfo, SessionStartInfo

    from src.run.tensorboard import Clock, event_file

    start = SessionStartInfo(start_time_secs=ended)
    for key, word in rows[0].setting.items():
        if key in numeric:
            start.hparams[without_plus(key)].number_value = float(word)
        else:
            start.hparams[without_plus(key)].string_value = word
    through = all(row.status == "completed" for row in rows)
    status = api_pb2.Status.Value("STATUS_SUCCESS" if through else "STATUS_FAILURE")
    end = SessionEndInfo(status=status, end_time_secs=ended)

    def about(tag: str, **content: Any) -> Any:
        data = metadata.create_summary_metadata(HParamsPluginData(**content))
        return Summary.Value(tag=tag, metadata=data, tensor=metadata.NULL_TENSOR)

    values = [
        about(metadata.SESSION_START_INFO_TAG, session_start_info=start),
        about(metadata.SESSION_END_INFO_TAG, session_end_info=end),
    ]
    for metric in dict.fromkeys(name for row in rows for name in row.metrics):
        loss = figure(rows, metric).value
        values += [Summary.Value(tag=f"final/{metric}", simple_value=loss)] if np.isfinite(loss) else []
    step = max(row.steps for row in rows)
    return event_file([], [(step, Summary(value=[value])) for value in values], Clock(ended))


# --- names -----------------------------------------------------------------------------------------------------------


def _named(setting: Words, ledger: Ledger) -> str:
    """`adam lr=0.1`: a setting as TensorBoard lists it, which a directory can be called."""
    words = {without_plus(key): word for key, word in setting.items()}
    swept = next((words[key] for key in OPTIMIZER if key in words), "")
    optimizer = swept or (_optimizer(ledger.calls[0]) if ledger.calls else "")
    own = {key.removeprefix("optimizer."): word for key, word in words.items() if key not in OPTIMIZER}
    return _plain(f"{optimizer.rpartition('.')[2]} {short(own)}".strip() or "as it is")


def _optimizer(call: Call) -> str:
    """The optimizer of all runs of a command."""
    shared = {without_plus(key_of(word)): word.partition("=")[2] for word in call.shared}
    return next((shared[key] for key in OPTIMIZER if key in shared), call.choices.get("optimizer") or "")


def _seeded(row: Row) -> str:
    """`seed=3`; a run whose seed is not swept by its number."""
    seeds = {without_plus(key): word for key, word in row.words.items() if without_plus(key) in SEED_KEYS}
    name = " ".join(f"{key}={word}" for key, word in seeds.items()) or f"run {row.job}"
    return _plain(name if row.confirms is None else f"confirmed {name}")


def _plain(name: str) -> str:
    """Without what a directory cannot have in its name."""
    return re.sub(r"[/\\\x00-\x1f]", "_", name).encode()[:LONGEST].decode(errors="ignore")


def _apart(named: Sequence[tuple[str, int]]) -> list[str]:
    """Names, and where several would be the same, with the number of the job."""
    names = [name for name, _ in named]
    return [name if names.count(name) == 1 else f"{name}, run {job}" for name, job in named]


# --- files -----------------------------------------------------------------------------------------------------------


def _put(path: Path, content: bytes) -> None:
    """Write a file, whole or not at all."""
    path.parent.mkdir(parents=True, exist_ok=True)
    unfinished = path.with_name(UNFINISHED)
    unfinished.write_bytes(content)
    unfinished.replace(path)


def _take_away(root: Path, kept: set[Path]) -> None:
    """Take away the sweep's other files of earlier times, and the folders that are empty then."""
    for path in list(root.glob("*/*/*")):
        if path not in kept and OWN.fullmatch(path.name):
            path.unlink()
            with suppress(OSError):  # not empty
                for folder in path.parents[:3]:
                    folder.rmdir()
