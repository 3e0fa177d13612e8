"""A stack's event files are those of the lone runs."""

import csv
import struct
from collections import defaultdict
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from lightning.pytorch.core.saving import save_hparams_to_yaml
from lightning.pytorch.loggers import TensorBoardLogger
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator
from tensorboard.compat.proto.event_pb2 import Event
from tensorboard.compat.proto.summary_pb2 import Summary
from tensorboard.compat.tensorflow_stub.errors import DataLossError, OutOfRangeError
from tensorboard.compat.tensorflow_stub.pywrap_tensorflow import PyRecordReader_New, masked_crc32c
from tensorboard.plugins.hparams.plugin_data_pb2 import HParamsPluginData

from src.config.compose import compose
from src.config.schema import check
from src.run import tensorboard as events
from src.run.build import build_loss, build_model, build_problem
from src.run.callbacks.boards import TOGETHER
from src.run.exact import answer
from src.run.tensorboard import Board, Clock, Curve, event_file, hyperparameters_yaml, write_events
from src.run.tensorboard import hyperparameters as shown_of
from src.run_directory import Result
from src.theory.prediction import lines

CLOCK = Clock(began=1.7e9, seconds_a_step=0.5)
# values as they come out of a descent, and what floats can be besides
VALUES = [0.5, -0.0, 0.0, float("nan"), float("inf"), float("-inf"), 1e300, 1e-300, 3.4028236e38, 0.1]


def read(directory: Path) -> list[Event]:
    """Every event, by TensorBoard's own reader, which raises where a checksum is wrong."""
    (path,) = directory.glob("events.out.tfevents.*")
    reader, found = PyRecordReader_New(str(path)), []
    with suppress(OutOfRangeError):
        while True:
            reader.GetNext()
            found.append(Event.FromString(reader.record()))
    return found


def scalars(found: list[Event]) -> dict[str, list[tuple[int, bytes]]]:
    """Steps and the bits of float32 values by tag."""
    points = defaultdict(list)
    for event in found:
        for value in event.summary.value:
            if value.WhichOneof("value") == "simple_value":
                assert not value.HasField("metadata")
                points[value.tag].append((event.step, struct.pack("<f", value.simple_value)))
    return dict(points)


def others(found: list[Event]) -> list[tuple[Any, ...]]:
    """Everything but scalars and figures; a charts' layout once, however often it was written."""
    kept: list[tuple[Any, ...]] = []
    for event in found:
        if event.HasField("file_version"):
            kept.append((event.step, event.file_version, event.source_metadata))
        for value in event.summary.value:
            if value.WhichOneof("value") not in ("simple_value", "image"):
                plugin = value.metadata.plugin_data
                content = HParamsPluginData.FromString(plugin.content)  # its maps have no order
                one = (event.step, value.tag, plugin.plugin_name, content, value.tensor)
                kept += [one] if one not in kept else []
    return kept


def cells(path: Path) -> dict[str, dict[int, float]]:
    """The columns of a `metrics.csv`."""
    columns: dict[str, dict[int, float]] = defaultdict(dict)
    with path.open(newline="", encoding="utf-8") as file:
        for row in csv.DictReader(file):
            for tag in (key for key in row if key != "step" and row[key]):
                columns[tag][int(row["step"])] = float(row[tag])
    return columns


def as_curves(members: list[dict[str, dict[int, float]]]) -> list[Curve]:
    """Columns of every member side by side, a point where any member has one."""
    curves = []
    for tag in dict.fromkeys(tag for columns in members for tag in columns):
        steps = sorted({step for columns in members for step in columns.get(tag, {})})
        values = np.array([[columns.get(tag, {}).get(step, 7.0) for columns in members] for step in steps])
        there = np.array([[step in columns.get(tag, {}) for columns in members] for step in steps])
        curves.append(Curve(tag, steps, values, None if there.all() else there))
    return curves


def theory(words: list[str]) -> dict[str, dict[int, float]]:
    config = check(compose([*words, "logger=none"]))
    problem = build_problem(config)
    known = answer(config, problem, build_model(config, problem), build_loss(config))
    assert known is not None
    return {f"theory/{name}": dict(line) for name, line in lines(known, config.trainer.max_steps).items()}


def test_they_are_those_of_the_lone_runs(train: Callable[..., Result], tmp_path: Path) -> None:
    shared = ["experiment=noisy_line", "data.val=20", "trainer.log_every_n_steps=25", "logger=tensorboard"]
    shared += ["callbacks=[learning_rate,sharpness]", "trainer.max_steps=60"]
    jobs = [[*shared, word] for word in ("seed=1", "optimizer.lr=0.02", "optimizer.lr=5")]
    results = [train(f"lone{index}", *job) for index, job in enumerate(jobs)]
    assert [result.status for result in results] == ["completed", "completed", "diverged"]
    columns = [
        dict(cells(result.directory / "metrics.csv")) | theory(job) for result, job in zip(results, jobs, strict=True)
    ]
    boards = []
    for index, (result, job) in enumerate(zip(results, jobs, strict=True)):
        (tmp_path / str(index)).mkdir()
        flat = shown_of(check(compose([*job, "logger=none"])))
        metrics = {f"final/{name}": loss for name, loss in result.metrics.items() if loss is not None}
        boards.append(Board(tmp_path / str(index), result.steps, flat, metrics))
    write_events(boards, as_curves(columns), CLOCK, TOGETHER)
    for board, result in zip(boards, results, strict=True):
        found, known = read(board.directory), read(result.directory)
        assert scalars(found) == scalars(known)
        assert len(scalars(known)["train/loss"]) >= 2
        assert others(found) == others(known)
        assert {other[1] for other in others(known)} > {"brain.Event:2", "custom_scalars__config__"}


def test_tensorboard_shows_them(tmp_path: Path) -> None:
    curve = Curve("train/loss", [0, 10, 200], np.array([[4.0], [2.0], [1.0]]))
    metrics = {"final/train/loss": 1.0}
    write_events([Board(tmp_path, 200, {"optimizer.lr": 0.1}, metrics)], [curve], CLOCK, TOGETHER)
    shown = EventAccumulator(str(tmp_path)).Reload()
    points = [(point.wall_time - CLOCK.began, point.step, point.value) for point in shown.Scalars("train/loss")]
    assert points == [(0, 0, 4), (5, 10, 2), (100, 200, 1)]
    assert list(shown.PluginTagToContent("hparams")) == [
        f"_hparams_/{part}" for part in ("experiment", "session_start_info", "session_end_info")
    ]
    assert list(shown.PluginTagToContent("custom_scalars")) == ["custom_scalars__config__"]


def test_members_get_their_own(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(events, "AT_ONCE", 2)
    generator = np.random.default_rng(0)
    values, there = generator.random((4, 5)), generator.random((4, 5)) < 0.7
    boards = [Board(tmp_path / str(member), member, {"seed": member}, {"final/loss": member}) for member in range(5)]
    for board in boards:
        board.directory.mkdir()
    write_events(boards, [Curve("a", [0, 1, 2, 300], values, there), Curve("b", [1], values[:1])], CLOCK)
    for member, board in enumerate(boards):
        steps = [(step, row) for row, step in enumerate([0, 1, 2, 300]) if there[row, member]]
        points = scalars(read(board.directory))
        assert points["a"] == [(step, struct.pack("<f", values[row, member])) for step, row in steps]
        assert points["b"] == [(1, struct.pack("<f", values[0, member]))]
        assert points["final/loss"] == [(member, struct.pack("<f", member))]


def test_a_file_by_itself_has_what_the_file_of_a_member_has(tmp_path: Path) -> None:
    curves = [Curve("a", [0, 5], np.array([[1.0], [float("nan")]])), Curve("b", [5], np.array([[0.1]]))]
    write_events([Board(tmp_path, 7, {}, {})], [*curves, Curve("c", [7], np.array([[0.3]]))], CLOCK)
    (path,) = tmp_path.iterdir()
    summary = Summary(value=[Summary.Value(tag="c", simple_value=0.3)])
    assert event_file(curves, [(7, summary)], CLOCK) == path.read_bytes()


@pytest.mark.parametrize("hyperparameters", [{"lr": 0.5, "rows": 3, "bias": True, "loss": "mean"}, {}])
@pytest.mark.parametrize("metrics", [{"final/train/loss": 0.25}, {}])
def test_they_are_those_of_lightning(
    tmp_path: Path, hyperparameters: dict[str, Any], metrics: dict[str, float]
) -> None:
    logger = TensorBoardLogger(tmp_path / "lightning", name="", version="", default_hp_metric=False)
    for step, value in enumerate(VALUES):
        logger.log_metrics({"value": value}, step)
    logger.log_hyperparams(dict(hyperparameters), metrics, len(VALUES))
    logger.finalize("failed")
    curve = Curve("value", range(len(VALUES)), np.array(VALUES)[:, None])
    (tmp_path / "ours").mkdir()
    write_events([Board(tmp_path / "ours", len(VALUES), hyperparameters, metrics)], [curve], CLOCK)
    found, known = read(tmp_path / "ours"), read(tmp_path / "lightning")
    assert scalars(found) == scalars(known)
    assert others(found) == others(known)


def test_a_file_of_a_stack_that_was_stopped_is_replaced(tmp_path: Path) -> None:
    (tmp_path / "result.tmp").touch()
    for value in (1.0, 2.0):
        write_events([Board(tmp_path, 0, {}, {})], [Curve("value", [0], np.array([[value]]))], CLOCK)
    assert scalars(read(tmp_path)) == {"value": [(0, struct.pack("<f", 2.0))]}
    assert len(list(tmp_path.iterdir())) == 2


def test_a_changed_byte_is_noticed(tmp_path: Path) -> None:
    write_events([Board(tmp_path, 0, {}, {})], [Curve("value", [0], np.array([[1.0]]))], CLOCK)
    (path,) = tmp_path.iterdir()
    content = bytearray(path.read_bytes())
    content[-6] ^= 1  # of the value, before the checksum
    path.write_bytes(content)
    with pytest.raises(DataLossError):
        read(tmp_path)


@pytest.mark.parametrize(
    ("data", "checksum"),
    # RFC 3720, appendix B.4
    [
        (bytes(32), 0x8A9136AA),
        (b"\xff" * 32, 0x62A8AB43),
        (bytes(range(32)), 0x46DD794E),
        (bytes(range(31, -1, -1)), 0x113FDB5C),
    ],
)
def test_the_checksum_is_the_published_one(data: bytes, checksum: int) -> None:
    code, _ = events._code([data, data[:7]])
    assert hex(~code) == hex(checksum)


@given(st.lists(st.binary(min_size=4, max_size=70), min_size=1, max_size=9))
def test_checksums_of_texts_of_any_length(texts: list[bytes]) -> None:
    assert events._masked(events._code(texts)).tolist() == [masked_crc32c(text) for text in texts]


@given(
    st.dictionaries(
        st.text(st.characters(exclude_categories=["Cs"]), min_size=1),
        st.one_of(
            st.booleans(), st.integers(), st.floats(allow_nan=False), st.text(), st.sampled_from(["1e-05", "on"])
        ),
    )
)
def test_hparams_yaml_is_lightnings(tmp_path_factory: pytest.TempPathFactory, hyperparameters: dict[str, Any]) -> None:
    path = tmp_path_factory.mktemp("hparams") / "hparams.yaml"
    save_hparams_to_yaml(path, hyperparameters)
    assert hyperparameters_yaml(hyperparameters) == path.read_text(encoding="utf-8")
