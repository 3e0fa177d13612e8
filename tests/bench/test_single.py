"""The benchmark runs and prints its four rows; what it measures is nobody's to assert."""

import re
import subprocess
import sys


def test_it_prints_every_row() -> None:
    words = ["--rounds", "1", "--steps", "200", "--ordinary-steps", "4"]
    done = subprocess.run(
        [sys.executable, "-m", "tests.bench.single", *words], capture_output=True, text=True, check=True
    )
    for name in ("a bare PyTorch loop", "gradient=autograd", "gradient=by_hand", "an ordinary LightningModule"):
        assert re.search(rf"{name}.*\d+\.\d", done.stdout), done.stdout
