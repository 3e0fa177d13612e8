"""What is refused before a directory is made: files that are not there, directories that are taken."""

import os
from pathlib import Path

import pytest

from src.config.check_run import check_free, check_run, check_sweep_overrides
from src.config.compose import compose
from src.errors import LabError


def refused(*words: str) -> str:
    with pytest.raises(LabError) as error:
        check_run(compose(words))
    return str(error.value)


# --- where a run goes ---


@pytest.mark.parametrize("file", ["result.json"])
def test_a_run_is_not_written_over(tmp_path: Path, file: str) -> None:
    (tmp_path / file).parent.mkdir(exist_ok=True)
    (tmp_path / file).touch()
    with pytest.raises(LabError, match="already holds a run; choose another"):
        check_free(tmp_path)


@pytest.mark.parametrize("place", ["", "new", "new/below", ".hydra", "../sibling"])
def test_other_places_are_free(tmp_path: Path, place: str) -> None:
    (tmp_path / "metrics.csv").touch()  # left by a run that was cut off before its first checkpoint
    (tmp_path / ".hydra").mkdir()
    check_free(tmp_path / place)


def test_a_directory_relative_to_here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "file").touch()
    check_free(Path("new/run"))
    check_free(Path())
    with pytest.raises(LabError, match="is a file; choose another"):
        check_free(Path("file/run"))


def test_a_place_that_cannot_be_written_to(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "access", lambda path, mode: False)  # root may write anywhere
    with pytest.raises(LabError, match="cannot be written to"):
        check_free(tmp_path / "run")


def test_a_run_directory_must_be_free(tmp_path: Path) -> None:
    (tmp_path / "result.json").write_text("{}")
    (tmp_path / "file").write_text("")
    assert refused(f"hydra.run.dir={tmp_path}").startswith(f"{tmp_path} already holds a run")
    for place in ("file", "file/below/that"):
        assert refused(f"hydra.run.dir={tmp_path / place}").startswith(f"{tmp_path / 'file'} is a file")
    check_run(compose([f"hydra.run.dir={tmp_path / 'free' / 'below'}"]))
    assert not (tmp_path / "free").exists()


# --- files ---

TABLE = ("data=table", "data.target=price")


def test_a_table_that_is_not_there(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "houses.csv").write_text("area,price\n1,2\n")
    assert (
        refused(*TABLE, "data.path=house.csv") == "data.path=house.csv: there is no such file; did you mean houses.csv?"
    )
    assert "is a directory" in refused(*TABLE, f"data.path={tmp_path}")
    assert "must be a .csv, .tsv, .txt, .data, .parquet, " in refused(*TABLE, f"data.path={__file__}")
    assert check_run(compose([*TABLE, "data.path=houses.csv"])) is False


@pytest.mark.parametrize(
    ("words", "key"), [((*TABLE, "data.path=houses.csv"), "data.path"), (("ckpt_path=last.ckpt",), "ckpt_path")]
)
def test_a_path_from_where_a_run_is_started_and_a_run_that_starts_elsewhere(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, words: tuple[str, ...], key: str
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "houses.csv").write_text("area,price\n1,2\n")
    (tmp_path / "last.ckpt").touch()
    moved = ("hydra.job.chdir=true", "hydra.run.dir=runs/1")
    check_run(compose(words))
    sentence = refused(*words, *moved)
    assert sentence.startswith(f"{key}=runs/1/")
    assert sentence.endswith("; hydra.job.chdir=true starts a run in its own directory: give the whole path, from / on")
    whole = [word.replace(f"{key}=", f"{key}={tmp_path}/") for word in words]
    check_run(compose([*whole, *moved]))


# --- Hydra's own directory ---


@pytest.mark.parametrize("name", ["null", "conf"])
def test_a_run_keeps_its_config_where_it_is_read(name: str) -> None:
    sentence = f"hydra.output_subdir={name}: leave it out; a resume and the report read a run's config in .hydra/"
    assert refused(f"hydra.output_subdir={name}") == sentence
    with pytest.raises(LabError) as error:
        check_sweep_overrides([f"hydra.output_subdir={name}", "seed=1,2"])
    assert str(error.value) == sentence


# --- what another sweeper does not know ---


@pytest.mark.parametrize("word", ["sweep=compare", "confirm_seeds=3"])
def test_what_is_for_this_projects_sweeper_is_not_lost_on_another(word: str) -> None:
    with pytest.raises(LabError, match=f"{word} needs hydra/sweeper=grid: hydra/sweeper=basic"):
        check_sweep_overrides(["hydra/sweeper=basic", word])
    check_sweep_overrides([word])
