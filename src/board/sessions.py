"""Rows of TensorBoard's HParams table, as records of event files.

Each file carries the whole table's columns, because TensorBoard takes them from whichever run it comes upon first.
"""

import io
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

from tensorboard.compat.proto.event_pb2 import Event
from tensorboard.compat.proto.summary_pb2 import Summary
from tensorboard.plugins.hparams import api_pb2, metadata
from tensorboard.plugins.hparams.plugin_data_pb2 import HParamsPluginData, SessionEndInfo, SessionStartInfo
from tensorboard.summary.writer.record_writer import RecordWriter

from src.sweep.edges import number

Kind = Literal["number", "switch", "word"]

TYPES = {"number": "DATA_TYPE_FLOAT64", "switch": "DATA_TYPE_BOOL", "word": "DATA_TYPE_STRING"}
CHOICES = 30
"""Different words of a column that are offered as boxes to tick, at most."""
FINAL = "final/"
"""Before the names of losses, as the runs themselves log them: their curves are `train/loss`."""


@dataclass(frozen=True)
class Session:
    """A row of the table.

    Attributes:
        words: what the run was given, key to value as typed.
        status: "completed", "diverged" or "failed"; empty while it has not ended.
        steps: that it took.
        losses: at its end; None where not finite.
        time: of its end, in seconds since the epoch.
    """

    words: Mapping[str, str]
    status: str
    steps: int
    losses: Mapping[str, float | None]
    time: float


@dataclass(frozen=True)
class Columns:
    """What all rows have in common.

    Attributes:
        kinds: of each key's values, over all rows.
        choices: the different words of a key, where they are few.
        losses: names of those that any row has.
    """

    kinds: Mapping[str, Kind]
    choices: Mapping[str, Sequence[str]]
    losses: Sequence[str]

    @classmethod
    def of(cls, sessions: Iterable[Session]) -> "Columns":
        """The columns that these rows need, in the order of their appearance."""
        values: dict[str, dict[str, None]] = {}
        losses: dict[str, None] = {}
        for session in sessions:
            for key, value in session.words.items():
                values.setdefault(key, {})[value] = None
            losses.update(dict.fromkeys(session.losses))
        kinds = {key: _kind(words) for key, words in values.items()}
        few = {key: sorted(w) for key, w in values.items() if kinds[key] == "word" and len(w) <= CHOICES}
        return cls(kinds, few, list(losses))


def _kind(words: Iterable[str]) -> Kind:
    known = list(words)
    if all(number(word) is not None for word in known):
        return "number"
    return "switch" if all(word in ("true", "false") for word in known) else "word"


def event_file(columns: Columns, session: Session, losses: bool) -> bytes:
    """The content of an event file.

    Args:
        columns: of the table.
        session: the row.
        losses: write them too; they are there already in the run's own event file.
    """
    buffer = io.BytesIO()
    writer, at = RecordWriter(buffer), session.time
    writer.write(Event(wall_time=at, file_version="brain.Event:2").SerializeToString())
    values = [*_about(columns, session)]
    if losses:
        known = {name: loss for name, loss in session.losses.items() if loss is not None}
        values += [Summary.Value(tag=FINAL + name, simple_value=loss) for name, loss in known.items()]
    for value in values:
        event = Event(wall_time=at, step=session.steps, summary=Summary(value=[value]))
        writer.write(event.SerializeToString())
    return buffer.getvalue()


def _about(columns: Columns, session: Session) -> list[Any]:
    """The columns, what the run was given, and how it ended, if it has."""
    start = SessionStartInfo(start_time_secs=session.time)
    for key, word in session.words.items():
        if key in columns.kinds:
            _set(start.hparams[key], word, columns.kinds[key])
    told = [
        _value(metadata.EXPERIMENT_TAG, experiment=_experiment(columns)),
        _value(metadata.SESSION_START_INFO_TAG, session_start_info=start),
    ]
    if session.status:
        name = "STATUS_SUCCESS" if session.status == "completed" else "STATUS_FAILURE"
        end = SessionEndInfo(status=api_pb2.Status.Value(name), end_time_secs=session.time)
        told.append(_value(metadata.SESSION_END_INFO_TAG, session_end_info=end))
    return told


def _experiment(columns: Columns) -> Any:
    """The table's head."""
    keys = []
    for key, kind in columns.kinds.items():
        info = api_pb2.HParamInfo(name=key, type=api_pb2.DataType.Value(TYPES[kind]))
        for word in columns.choices.get(key, ()):
            info.domain_discrete.values.add().string_value = word
        keys.append(info)
    losses = [api_pb2.MetricInfo(name=api_pb2.MetricName(tag=FINAL + name)) for name in columns.losses]
    return api_pb2.Experiment(hparam_infos=keys, metric_infos=losses)


def _set(value: Any, word: str, kind: Kind) -> None:
    """Fill a protobuf value with a word."""
    if kind == "number":
        value.number_value = float(word)
    elif kind == "switch":
        value.bool_value = word == "true"
    else:
        value.string_value = word


def _value(tag: str, **content: Any) -> Any:
    """What the plugin reads: all of it is in the metadata, the value itself is empty."""
    about = metadata.create_summary_metadata(HParamsPluginData(**content))
    return Summary.Value(tag=tag, metadata=about, tensor=metadata.NULL_TENSOR)
