"""Which directories a sweep may go to, and that it has them to itself."""

import subprocess
import sys
from pathlib import Path

import pytest

from src.config.compose import CONF
from src.errors import LabError
from src.sweep.lock import check_place, claim


def test_a_place_that_is_not_for_this_sweep(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    for place, made, sentence in (
        ("file", None, "is a file"),
        ("file/below", None, "is a file"),
        ("run", "result.json", "holds a run"),
        ("unfinished", ".hydra/config.yaml", "holds a run"),
        ("basic", "multirun.yaml", "holds another sweep"),
        ("bare", "3/result.json", "holds another sweep"),
    ):
        if made:
            (tmp_path / place / made).parent.mkdir(parents=True)
            (tmp_path / place / made).write_text("{}")
        with pytest.raises(LabError, match=r"choose another hydra\.sweep\.dir") as error:
            check_place(tmp_path / place)
        assert sentence in str(error.value)
    check_place(tmp_path / "not" / "there")
    (tmp_path / "basic" / "sweep.json").write_text("{}")
    check_place(tmp_path / "basic")


def test_a_second_process_is_kept_out_until_the_first_ends(tmp_path: Path) -> None:
    """However the first one ends: a kill leaves no lock behind."""
    code = "import sys, pathlib; from src.sweep.lock import claim; claim(pathlib.Path(sys.argv[1])); "
    code += "print(1, flush=True); input()"
    pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE}
    with subprocess.Popen([sys.executable, "-c", code, str(tmp_path)], cwd=CONF.parent, **pipes) as first:  # type: ignore[call-overload]
        assert first.stdout.readline() == b"1\n"
        with pytest.raises(LabError, match="another process is at work in"):
            claim(tmp_path)
        first.kill()
        first.wait()
    claim(tmp_path)
    claim(tmp_path)  # a sweeper and its launcher are one process
