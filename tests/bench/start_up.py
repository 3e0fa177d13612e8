"""How long a command takes to answer, beside what it has to import, in seconds of the processor."""

import tempfile

from tests.bench.measure import Figure, Way, command, in_turn, ratio

TITLE = "start-up, CPU seconds"
CONFIG, TORCH, TRAINING = "import hydra, pydantic, omegaconf", "import torch", "import torch, lightning"
PARENT = "import subprocess, sys"
MISTAKE = f"{PARENT}; subprocess.run([sys.executable, '-m', 'src.train', 'optimizer.lrr=1'], capture_output=True)"


def figures(rounds: int) -> list[Figure]:
    """Of what a command does, over the bare imports of what it cannot do without."""
    parent = command("-c", PARENT).cpu  # of the Python that starts the one that fails
    with tempfile.TemporaryDirectory() as temporary:

        def step(*words: str) -> float:
            where = tempfile.mkdtemp(dir=temporary)
            places = [f"hydra.run.dir={where}/run", f"hydra.sweep.dir={where}/sweep"]
            return command("-m", "src.train", *words, "trainer.max_steps=1", *places).cpu

        ways: dict[str, Way] = {bare: lambda bare=bare: command("-c", bare).cpu for bare in (CONFIG, TORCH, TRAINING)}  # type: ignore[misc]
        ways |= {
            "--help": lambda: command("-m", "src.train", "--help").cpu,
            "a mistake": lambda: command("-c", MISTAKE).cpu - parent,
            "the first step of a run": step,
            "the first step of a stack": lambda: step("-m", "seed=0,1", "hydra.sweeper.report=false"),
        }
        for way in ways.values():
            way()  # what Python compiles once is compiled
        taken = in_turn(ways, rounds)
    told = dict(zip(list(ways)[3:], (CONFIG, CONFIG, TRAINING, TORCH), strict=True))
    return [ratio(f"{name} / {bare}", taken, name, bare) for name, bare in told.items()]
