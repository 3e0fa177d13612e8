import importlib.metadata
import platform
import subprocess
from pathlib import Path

from src.run.environment import environment


def test_the_environment_has_versions_commit_and_processor() -> None:
    environment.cache_clear()
    have = environment()
    for package in ("torch", "lightning", "hydra-core", "numpy"):
        assert have[package] == importlib.metadata.version(package)
    assert have["python"] == platform.python_version()
    assert "cores)" in have["processor"]
    root = Path(__file__).parents[2]
    head = subprocess.run(["git", "-C", str(root), "rev-parse", "HEAD"], capture_output=True, text=True, check=False)
    assert (have["git"] or "").removesuffix("-dirty") == head.stdout.strip()
