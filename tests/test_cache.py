"""What is kept from one command to the next: asked for once, whatever happens to the file."""

from pathlib import Path

import pytest

from src.cache import folder, remembered


@pytest.fixture
def asked(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """How often the answer was found out, in an empty cache."""
    monkeypatch.setenv("DESCENT_LAB_CACHE", str(tmp_path / "cache"))
    return []


def ask(asked: list[int], *facts: object) -> object:
    def find() -> dict[str, object]:
        asked.append(1)
        return {"facts": list(facts)}

    return remembered("question", facts, find)


def test_the_same_facts_are_asked_once(asked: list[int]) -> None:
    assert ask(asked, "a", 1) == ask(asked, "a", 1) == {"facts": ["a", 1]}
    assert ask(asked, "a", 2) == {"facts": ["a", 2]}
    assert len(asked) == 2
    assert len(list((folder() / "question").iterdir())) == 2  # nothing half written is left


@pytest.mark.parametrize("damage", ["", "{", "null", "{}", '{"answer"', "\x00\xff"])
def test_a_damaged_file_is_written_anew(asked: list[int], damage: str) -> None:
    ask(asked, "a")
    (path,) = (folder() / "question").iterdir()
    path.write_text(damage, encoding="utf-8")
    assert [ask(asked, "a"), ask(asked, "a")] == [{"facts": ["a"]}] * 2
    assert len(asked) == 2


def test_where_nothing_can_be_kept_it_is_found_out_each_time(asked: list[int]) -> None:
    folder().write_text("no folder", encoding="utf-8")
    assert [ask(asked, "a"), ask(asked, "a")] == [{"facts": ["a"]}] * 2
    assert len(asked) == 2


def test_a_full_disk_leaves_nothing_behind(asked: list[int], monkeypatch: pytest.MonkeyPatch) -> None:
    def half(path: Path, content: bytes) -> None:
        path.touch()
        raise OSError("no space left on device")

    monkeypatch.setattr(Path, "write_bytes", half)
    assert [ask(asked, "a"), ask(asked, "a")] == [{"facts": ["a"]}] * 2
    assert not list((folder() / "question").iterdir())


def test_it_is_among_the_users_caches(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("DESCENT_LAB_CACHE")
    monkeypatch.setenv("XDG_CACHE_HOME", "/caches")
    assert folder() == Path("/caches/descent-lab")
    monkeypatch.delenv("XDG_CACHE_HOME")
    assert folder() == Path.home() / ".cache/descent-lab"
