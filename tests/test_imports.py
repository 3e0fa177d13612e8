"""Imports go one way: commands, report, sweep, run, engine; then data, models, losses, optim; then config, errors."""

import ast
import subprocess
import sys
from graphlib import CycleError, TopologicalSorter
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
LAYERS = (
    {"interrupts", "errors", "cache", "seeds", "config", "run_directory", "plots", "autograd"},
    {"tables"},
    {"data", "models", "losses", "optim", "compare"},
    {"theory"},
    {"engine"},
    {"run"},
    {"sweep"},
    {"report"},
    {"train", "predict", "check", "scratch"},
)
"""A package imports from the layers above its own line, and from its own."""
WITHOUT_TORCH = ("config", "tables", "compare", "report", "plots")
NEVER = {"engine": {"lightning", "hydra"}, **{key: {"torch", "lightning", "src.run"} for key in WITHOUT_TORCH}}


def _imported(path: Path) -> set[str]:
    """The modules that a file imports, wherever in it; those for annotations only are left out."""
    found, skipped = set[str](), set[ast.AST]()
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.If) and "TYPE_CHECKING" in ast.dump(node.test):
            skipped |= {inner for one in node.body for inner in ast.walk(one)}
        if node in skipped:
            continue
        if isinstance(node, ast.ImportFrom) and node.module:
            inner = {f"{node.module}.{alias.name}" for alias in node.names}
            found |= {name if _is_module(name) else node.module for name in inner}
        elif isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
    return found


def _is_module(name: str) -> bool:
    where = ROOT / name.replace(".", "/")
    return where.with_suffix(".py").is_file() or where.is_dir()


def _name(path: Path) -> str:
    return ".".join(path.relative_to(ROOT).with_suffix("").parts).removesuffix(".__init__")


IMPORTS = {
    _name(path): _imported(path) for path in sorted((ROOT / "src").rglob("*.py")) if "hydra_plugins" not in path.parts
}


def test_no_file_imports_in_a_circle() -> None:
    own = {name: {one for one in imported if one in IMPORTS and one != "src"} for name, imported in IMPORTS.items()}
    try:
        TopologicalSorter(own).prepare()
    except CycleError as error:
        pytest.fail(" -> ".join(error.args[1]))


def test_no_package_imports_upward() -> None:
    rank = {package: index for index, packages in enumerate(LAYERS) for package in packages}
    upward = [
        f"{name} -> {one}"
        for name, imported in IMPORTS.items()
        for one in sorted(imported)
        if name != "src" and one.startswith("src.") and rank[one.split(".")[1]] > rank[name.split(".")[1]]
    ]
    assert upward == []


@pytest.mark.parametrize("package", sorted(NEVER))
def test_what_a_package_never_imports(package: str) -> None:
    found = {
        f"{name} -> {one}"
        for name, imported in IMPORTS.items()
        for one in imported
        if name.startswith(f"src.{package}.") and any(one == no or one.startswith(f"{no}.") for no in NEVER[package])
    }
    assert found == set()


@pytest.mark.parametrize("package", WITHOUT_TORCH)
def test_packages_that_leave_torch_out(package: str) -> None:
    """Not by way of others either: a mistake answers, and a page is written, without the second that torch takes."""
    modules = [name for name in IMPORTS if name.startswith(f"src.{package}.")]
    assert len(modules) > 2
    code = f"import sys, {', '.join(modules)}; print(sorted({{'torch', 'lightning'}} & set(sys.modules)))"
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
