"""How a mistake is told."""

import subprocess
import sys
import traceback

import pytest

from src import errors
from src.errors import LabError, exit_on_error, nearest

OPTIMIZERS = ["adadelta", "adafactor", "adagrad", "adam", "adamax", "adamw", "momentum", "nadam", "sgd"]


@pytest.mark.parametrize(
    ("word", "choice"),
    [
        ("adma", "adam"),
        ("adm", "adam"),
        ("Adam", "adam"),
        ("addam", "adam"),
        ("admaw", "adamw"),
        ("momentun", "momentum"),
    ],
)
def test_the_nearest_choice(word: str, choice: str) -> None:
    assert nearest(word, OPTIMIZERS) == f"; did you mean {choice}?"
    assert nearest(word, OPTIMIZERS, "optimizer") == f"; did you mean optimizer.{choice}?"


@pytest.mark.parametrize("word", ["", "xyz", "lbfgs"])
def test_nothing_is_near(word: str) -> None:
    assert nearest(word, OPTIMIZERS) == ""
    assert nearest("adam", []) == ""


def test_where_nobody_reads_on_it_ends_without_a_word() -> None:
    """As in `| head -1`; what breaks elsewhere is told."""
    told = "from src.errors import exit_on_error, writing\nwith exit_on_error(), writing():\n    "
    for body in ("[print(line) for line in range(100_000)]", "print(1)"):
        with subprocess.Popen(
            [sys.executable, "-c", told + body], stdout=subprocess.PIPE, stderr=subprocess.PIPE
        ) as command:
            assert command.stdout is not None
            assert command.stderr is not None
            command.stdout.close()
            assert (command.stderr.read(), command.wait()) == (b"", 1)
    with pytest.raises(BrokenPipeError), exit_on_error():
        raise BrokenPipeError


def test_a_mistake_ends_the_command(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as end, exit_on_error():
        raise LabError("lr=-1: must be above 0")
    assert end.value.code == 1
    assert capsys.readouterr() == ("", "error: lr=-1: must be above 0\n")


def test_an_interrupted_command_says_so(capsys: pytest.CaptureFixture[str]) -> None:
    for words, line in (((), "interrupted\n"), (("after 3 steps",), "after 3 steps\n")):
        with pytest.raises(SystemExit) as end, exit_on_error():
            raise KeyboardInterrupt(*words)
        assert end.value.code == 130  # 128 + SIGINT, as shells have it
        assert capsys.readouterr().err == line


def test_other_errors_pass() -> None:
    with pytest.raises(ZeroDivisionError), exit_on_error():
        raise ZeroDivisionError


def test_with_hydra_full_error_the_mistake_comes_out_with_its_cause(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(errors, "FULL_ERROR", True)

    def mistaken() -> None:
        try:
            raise ZeroDivisionError
        except ZeroDivisionError:
            raise LabError("lr=-1: must be above 0") from None

    with pytest.raises(LabError) as mistake, exit_on_error():
        mistaken()
    shown = "".join(traceback.format_exception(mistake.value))
    assert "ZeroDivisionError" in shown
    assert "LabError: lr=-1" in shown
