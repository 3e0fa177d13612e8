"""Text in any encoding and with any line ends becomes UTF-8 with line feeds, as polars reads it."""

import codecs
import re
from collections.abc import Iterator
from itertools import islice
from pathlib import Path

from charset_normalizer import from_bytes

from src.errors import LabError
from src.tables.files import File

MARKS = {
    codecs.BOM_UTF8: "utf-8-sig",
    codecs.BOM_UTF32_LE: "utf-32",  # before UTF-16, whose mark it begins with
    codecs.BOM_UTF32_BE: "utf-32",
    codecs.BOM_UTF16_LE: "utf-16",
    codecs.BOM_UTF16_BE: "utf-16",
}
LATIN = ["cp1252", "cp1250", "cp1254", "cp1257"]
OTHER_SCRIPTS = ["cp1251", "koi8_r", "cp932", "gb18030", "big5", "cp949", "euc_jp", "cp1253", "cp1255", "cp1256"]
CHUNK = 1 << 24


def as_utf8(file: File, encoding: str | None, name: str) -> tuple[Path | bytes, str | None]:
    """A text file as UTF-8: its path where it is that, else its bytes in memory; and the encoding, if it is another.

    Raises:
        LabError: it is no text, or not written in the encoding that was given.
        OSError: it cannot be read.
    """
    head = file.head(1 << 20)
    mark = next((mark for mark in MARKS if head.startswith(mark)), b"")
    if encoding is None and mark in (b"", codecs.BOM_UTF8) and b"\0" not in head and _is_utf8(file):
        source, found = file.source, None
    else:
        content = file.content()
        if encoding is not None:
            text, found = _decoded(content, encoding, name), None
        elif mark not in (b"", codecs.BOM_UTF8):
            found = MARKS[mark]
            text = _decoded(content, found, name)
        elif b"\0" in head:
            raise LabError(f"data.path={name}: it is not a table: it has bytes that no text has")
        else:
            text, found = _guessed(content)
        source = text.removeprefix("\ufeff").encode("utf-8", "replace")
        head = source[: 1 << 20]
    if re.search(rb"\r(?!\n|\Z)", head):  # line ends of old, or those of Windows written twice
        content = source if isinstance(source, bytes) else source.read_bytes()
        source = re.sub(rb"\r*\n|\r", b"\n", content)
    return source, found


def _is_utf8(file: File) -> bool:
    """Read in pieces, of which those in ASCII, nearly all, are not decoded."""
    decoder = codecs.getincrementaldecoder("utf-8")()
    try:
        for piece in _pieces(file):
            if not piece.isascii() or decoder.getstate()[0]:
                decoder.decode(piece)
        decoder.decode(b"", final=True)
    except UnicodeDecodeError:
        return False
    return True


def _pieces(file: File) -> Iterator[bytes]:
    if isinstance(file.source, bytes):
        yield file.source
        return
    with file.source.open("rb") as stream:
        while piece := stream.read(CHUNK):
            yield piece


def _decoded(content: bytes, encoding: str, name: str) -> str:
    try:
        return content.decode(encoding)
    except UnicodeDecodeError as error:
        line = content.count(b"\n", 0, error.start) + 1
        raise LabError(
            f"data.encoding={encoding}: {name} is not written in it (line {line}: {error.reason}); null guesses it"
        ) from None


def _guessed(content: bytes) -> tuple[str, str]:
    """Text that is not UTF-8 throughout, and the encoding that it most likely has."""
    text = content.decode("utf-8", "replace")
    broken = text.count("\ufffd")
    if broken * 10 < sum(1 for _ in re.finditer("[^\0-\x7f\ufffd]", text)):  # one broken letter of many whole ones
        return text, f"utf-8 ({broken} broken letter{'s' * (broken > 1)})"
    lines = re.finditer(rb"[^\n]*[\x80-\xff][^\n]*\n?", content)
    accented = b"".join(match[0] for match in islice(lines, 500))[:20_000]
    patterns = (rb"[a-zA-Z]", rb"[\x80-\xff]", rb"[\x80-\xff]{2}")
    plain, other, pairs = (len(re.findall(pattern, accented)) for pattern in patterns)
    latin = other < plain or 4 * pairs < other  # an accent here and there: told that, guesses of short texts are good
    if latin:
        guesses = from_bytes(content if len(content) < 20_000 else accented, cp_isolation=LATIN)
        best = max((guess.coherence for guess in guesses), default=0)
        # those that give the same text are told as the first of them
        names = [one for guess in guesses if guess.coherence == best for one in guess.could_be_from_charset]
        names = ["cp1252", *names] if best == 0 or "cp1252" in names else names  # the usual one, unless words tell
    else:
        names = [guess.encoding for guess in from_bytes(accented, cp_isolation=OTHER_SCRIPTS, threshold=0.5)]
    for encoding in names:
        try:
            return content.decode(encoding), encoding
        except UnicodeDecodeError:
            continue
    return content.decode("latin-1"), "latin-1"
