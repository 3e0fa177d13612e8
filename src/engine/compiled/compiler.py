"""The machine's own C compiler: source in, a library out, kept under the user's cache directory."""

import ctypes
import hashlib
import importlib.util
import os
import platform
import shlex
import shutil
import subprocess
import sys
import tempfile
from contextlib import suppress
from functools import cache
from pathlib import Path

from src.cache import folder, keep
from src.errors import one_line

FLAGS = (
    "-std=gnu11", "-O3", "-march=native", "-ffp-contract=fast", "-fno-math-errno", "-fno-trapping-math", "-Wno-psabi",
    "-shared", "-fPIC",
)  # fmt: skip
"""Products may be added without rounding in between, and comparisons made ahead; nothing is reordered (-ffast-math)."""
SECONDS = 120


class NotCompiledError(Exception):
    """There is no compiled code; it says why."""


@cache
def library(source: str) -> ctypes.CDLL:
    """The library of a source, from the cache or made anew.

    Processes that make it at the same time each write a file of their own and put it in place, the same for all.

    Raises:
        NotCompiledError: there is no compiler, no place for what it makes, or it failed.
    """
    command = _compiler()
    about = "\0".join([source, *command, *FLAGS, _version(tuple(command)), _processor()])
    key = hashlib.sha256(about.encode()).hexdigest()[:32]
    with suppress(OSError, RuntimeError):  # there is no home, say
        for kept in (folder() / "compiled").glob(f"{key}.*.so"):
            if kept.name == _name(key, kept.read_bytes()):  # to load a damaged one may end the process
                return _loaded(kept)
    try:
        with tempfile.TemporaryDirectory() as scratch:
            made = _compile(source, command, Path(scratch))
            content = made.read_bytes()
            keep(f"compiled/{_name(key, content)}", content)
            return _loaded(made)  # the file may go: it stays in memory
    except OSError as error:
        raise NotCompiledError(f"there is no place to compile in: {one_line(error)}") from None


def missing_compiler() -> str:
    """Why there is no compiler here, in words; empty: there is one, which may fail all the same."""
    try:
        _compiler()
    except NotCompiledError as why:
        return str(why)
    return ""


def _name(key: str, content: bytes) -> str:
    """Of a file: what it is made of, and what its bytes add up to."""
    return f"{key}.{hashlib.sha256(content).hexdigest()[:32]}.so"


def _compiler() -> list[str]:
    """The command of a compiler: what CC says, or the first that there is."""
    if given := os.environ.get("CC"):
        words = []
        with suppress(ValueError):  # a quotation that does not end
            words = shlex.split(given)
        if not words or shutil.which(words[0]) is None:
            raise NotCompiledError(f"CC={given} is no command here")
        return words
    for name in ("cc", "gcc", "clang"):
        if shutil.which(name):
            return [name]
    if importlib.util.find_spec("ziglang"):
        return [sys.executable, "-m", "ziglang", "cc"]
    raise NotCompiledError("there is no C compiler (cc, gcc or clang; or pip install 'descent-lab[compiler]')")


def _compile(source: str, command: list[str], scratch: Path) -> Path:
    file, made = scratch / "steps.c", scratch / "steps.so"
    file.write_text(source)
    done = _run([*command, *FLAGS, str(file), "-o", str(made), "-lm"])
    if done.returncode or not made.is_file():
        said = done.stderr.splitlines() or ["it says nothing"]
        wrong = next((line for line in said if "error" in line), said[0])
        raise NotCompiledError(f"{shlex.join(command)} failed: {wrong.replace(str(file), file.name)}")
    return made


def _run(command: list[str]) -> "subprocess.CompletedProcess[str]":
    try:
        return subprocess.run(command, capture_output=True, text=True, timeout=SECONDS, errors="replace")
    except (OSError, subprocess.SubprocessError) as error:
        raise NotCompiledError(f"{command[0]} cannot be run: {one_line(error)}") from None


@cache
def _version(command: tuple[str, ...]) -> str:
    return _run([*command, "--version"]).stdout


@cache
def _processor() -> str:
    """What code for this processor may make use of: that of another may not run it."""
    with suppress(OSError):
        lines = Path("/proc/cpuinfo").read_text().splitlines()
        return next((line for line in lines if line.startswith(("flags", "Features"))), "")
    return f"{platform.machine()} {platform.processor()} {platform.node()}"


def _loaded(path: Path) -> ctypes.CDLL:
    try:
        return ctypes.CDLL(str(path))
    except OSError as error:
        raise NotCompiledError(f"what was compiled cannot be loaded: {one_line(error)}") from None
