"""Event files of rows, read back by TensorBoard's own reader."""

from pathlib import Path
from typing import Any

from tensorboard.backend.event_processing.event_accumulator import EventAccumulator
from tensorboard.plugins.hparams import api_pb2, metadata

from src.board.sessions import Columns, Session, event_file

ROWS = [
    Session(
        {"optimizer": "adam", "optimizer.lr": "1e-3", "model.bias": "true"}, "completed", 7, {"val/loss": 0.25}, 9.0
    ),
    Session({"optimizer": "sgd", "optimizer.lr": "0.5", "data.rows": "null"}, "diverged", 3, {"val/loss": None}, 9.0),
    Session({"data.rows": "12"}, "", 0, {}, 9.0),
]


def read(directory: Path, session: Session, losses: bool = True) -> EventAccumulator:
    columns = Columns.of(ROWS)
    (directory / "events.out.tfevents.0.own").write_bytes(event_file(columns, session, losses))
    return EventAccumulator(str(directory)).Reload()


def about(read: EventAccumulator, tag: str) -> Any:
    return read.SummaryMetadata(tag).plugin_data.content


def test_a_row_is_what_tensorboard_reads(tmp_path: Path) -> None:
    found = read(tmp_path, ROWS[0])
    start = metadata.parse_session_start_info_plugin_data(about(found, metadata.SESSION_START_INFO_TAG))
    assert start.hparams["optimizer"].string_value == "adam"
    assert start.hparams["optimizer.lr"].number_value == 1e-3
    assert start.hparams["model.bias"].bool_value is True
    end = metadata.parse_session_end_info_plugin_data(about(found, metadata.SESSION_END_INFO_TAG))
    assert end.status == api_pb2.STATUS_SUCCESS
    (event,) = found.Scalars("final/val/loss")
    assert (event.step, event.value, event.wall_time) == (7, 0.25, 9.0)


def test_every_file_has_all_columns_with_the_kind_that_fits_all_rows(tmp_path: Path) -> None:
    found = metadata.parse_experiment_plugin_data(about(read(tmp_path, ROWS[2]), metadata.EXPERIMENT_TAG))
    kinds = {info.name: info.type for info in found.hparam_infos}
    assert kinds == {
        "optimizer": api_pb2.DATA_TYPE_STRING,
        "optimizer.lr": api_pb2.DATA_TYPE_FLOAT64,
        "model.bias": api_pb2.DATA_TYPE_BOOL,
        "data.rows": api_pb2.DATA_TYPE_STRING,  # null and 12
    }
    choices = {info.name: [one.string_value for one in info.domain_discrete.values] for info in found.hparam_infos}
    assert choices["optimizer"] == ["adam", "sgd"]
    assert [info.name.tag for info in found.metric_infos] == ["final/val/loss"]


def test_a_loss_that_is_not_finite_is_not_written_and_the_row_says_failure(tmp_path: Path) -> None:
    found = read(tmp_path, ROWS[1])
    assert found.Tags()["scalars"] == []
    end = metadata.parse_session_end_info_plugin_data(about(found, metadata.SESSION_END_INFO_TAG))
    assert end.status == api_pb2.STATUS_FAILURE


def test_a_run_that_has_not_ended_has_no_end(tmp_path: Path) -> None:
    assert metadata.SESSION_END_INFO_TAG not in read(tmp_path, ROWS[2]).Tags()["tensors"]


def test_losses_are_left_to_a_run_that_has_its_own(tmp_path: Path) -> None:
    assert read(tmp_path, ROWS[0], losses=False).Tags()["scalars"] == []
