"""What the engine may know: neither Lightning nor Hydra. A test, a dry run or a notebook drives it without them."""

import pkgutil
import re
import subprocess
import sys
from pathlib import Path

from src import engine

ROOT = Path(__file__).parents[2]


def test_the_engine_knows_neither_lightning_nor_hydra() -> None:
    names = [f"src.engine.{module.name}" for module in pkgutil.iter_modules(engine.__path__)]
    assert len(names) > 8
    code = f"import sys, {', '.join(names)}; print(sorted({{'lightning', 'hydra'}} & set(sys.modules)))"
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


def test_what_is_private_to_lightning_is_touched_in_one_file() -> None:
    """Progress counters and connectors, which a minor version may move."""
    private = re.compile(r"fit_loop|_connector|_every_n_train_steps|_batches_that_stepped")
    touching = {
        path.relative_to(ROOT).as_posix() for path in (ROOT / "src").rglob("*.py") if private.search(path.read_text())
    }
    assert touching == {"src/run/lightning_private.py"}
