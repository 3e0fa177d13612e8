"""The bar, on a terminal of its own."""

import os
import pty
import re
import subprocess
import sys
from pathlib import Path


def test_the_bar_counts_optimizer_steps(tmp_path: Path) -> None:
    leader, follower = pty.openpty()
    words = ["trainer.max_steps=8000", "logger=none", "optimizer.lr=0.01", f"hydra.run.dir={tmp_path / 'run'}"]
    environment = {**os.environ, "TERM": "xterm-256color", "COLUMNS": "120"}
    process = subprocess.Popen(
        [sys.executable, "-m", "src.train", *words], stdout=subprocess.DEVNULL, stderr=follower, env=environment
    )
    os.close(follower)
    text = b""
    while True:
        try:
            piece = os.read(leader, 65536)
        except OSError:  # how a terminal whose other end is closed ends on Linux
            break
        text += piece
    assert process.wait() == 0
    shown = re.sub(r"\x1b\[[0-9;?]*[A-Za-z]", "", text.decode())
    assert re.search(r"\d+/8000", shown)
    assert re.search(r"[\d,]+ steps/s", shown)
    assert re.search(r"loss \d", shown)
