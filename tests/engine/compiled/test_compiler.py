"""The machine's compiler: what is kept is used again, and what fails is told in a sentence."""

import ctypes
import shutil
from pathlib import Path

import pytest

from src.engine.compiled import compiler
from src.engine.compiled.compiler import NotCompiledError, library

SOURCE = "int answer(void) { return %d; }\n"

pytestmark = pytest.mark.skipif(shutil.which("cc") is None, reason="there is no C compiler")


@pytest.fixture
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("DESCENT_LAB_CACHE", str(tmp_path))
    monkeypatch.delenv("CC", raising=False)
    library.cache_clear()
    return tmp_path / "compiled"


def again(source: str) -> ctypes.CDLL:
    """As another process would ask."""
    library.cache_clear()
    return library(source)


def test_what_is_kept_is_not_compiled_again(cache: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert library(SOURCE % 42).answer() == 42
    assert [path.suffix for path in cache.iterdir()] == [".so"]

    def never(*words: object) -> Path:
        raise AssertionError

    monkeypatch.setattr(compiler, "_compile", never)
    assert again(SOURCE % 42).answer() == 42
    with pytest.raises(AssertionError):
        again(SOURCE % 43)


def test_what_was_kept_for_another_processor_is_not_used(cache: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    again(SOURCE % 1)
    monkeypatch.setattr(compiler, "_processor", lambda: "another")
    again(SOURCE % 1)
    assert len([*cache.glob("*.so")]) == 2


@pytest.mark.parametrize("damage", ["cut", "flipped", "another's"])
def test_what_is_damaged_is_made_anew(cache: Path, damage: str) -> None:
    other = again(SOURCE % 6)
    assert other.answer() == 6
    (theirs,) = cache.iterdir()
    again(SOURCE % 7)
    (kept,) = set(cache.iterdir()) - {theirs}
    content = kept.read_bytes()
    kept.unlink()  # it is in memory
    flipped = content[:500] + bytes([content[500] ^ 1]) + content[501:]
    kept.write_bytes({"cut": content[:200], "flipped": flipped, "another's": theirs.read_bytes()}[damage])
    assert again(SOURCE % 7).answer() == 7
    key = kept.name.partition(".")[0]
    assert [one.name for one in cache.glob(f"{key}.*") if compiler._name(key, one.read_bytes()) == one.name]


def test_a_cache_that_cannot_be_written_is_not_missed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "file").touch()
    monkeypatch.setenv("DESCENT_LAB_CACHE", str(tmp_path / "file"))
    assert again(SOURCE % 8).answer() == 8


def test_who_has_no_home_has_no_cache(monkeypatch: pytest.MonkeyPatch) -> None:
    def homeless() -> Path:
        raise RuntimeError

    monkeypatch.setattr(compiler, "folder", homeless)
    assert again(SOURCE % 11).answer() == 11


@pytest.mark.parametrize(
    ("command", "said"),
    [("/no/such/compiler", "CC=/no/such/compiler is no command here"), ("false", "false failed"), ("'", "CC=' is no")],
)
def test_a_compiler_that_fails_is_told(cache: Path, monkeypatch: pytest.MonkeyPatch, command: str, said: str) -> None:
    monkeypatch.setenv("CC", command)
    with pytest.raises(NotCompiledError, match=said):
        again(SOURCE % 9)


def test_no_compiler_is_told(cache: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", "")
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    with pytest.raises(NotCompiledError, match="there is no C compiler"):
        again(SOURCE % 10)


def test_a_mistake_in_the_source_is_quoted(cache: Path) -> None:
    with pytest.raises(NotCompiledError, match=r"steps\.c:1:.*error"):
        again("int answer(void) { return nothing; }\n")
