"""The runs of `tests.bench.sweep` as JAX programs: `python -m tests.bench.sweep_jax --out FILE [--cores 1]`.

One program an optimizer: a member's whole training is a scan over its steps, and vmap makes it all members' (as in
PureJaxRL). Three formulations of the gradient, because which one XLA makes fast is not known beforehand.
"""

import argparse
import json
import math
import os
import statistics
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from tests.bench.sweep_runs import OPTIMIZERS, Jobs, final, line, numbers

EVERY = 10
"""Losses are recorded at multiples of it, as `trainer.log_every_n_steps` does."""
UNROLLED = 3
"""Steps that the compiler sees as one; more took longer to compile and not less to run."""


def with_cores(cores: int, shards: int) -> None:
    """Keep XLA to this many cores, with a device for each that has a shard; before JAX is first asked for one.

    One device that spreads every operation over its threads was slower than one core alone.
    """
    if hasattr(os, "sched_setaffinity"):
        os.sched_setaffinity(0, sorted(os.sched_getaffinity(0))[:cores])
    flags = f"--xla_force_host_platform_device_count={shards} --xla_cpu_multi_thread_eigen={str(cores > 1).lower()}"
    os.environ["XLA_FLAGS"] = f"{os.environ.get('XLA_FLAGS', '')} {flags}"


def rule(name: str, rate: Any) -> Any:
    """Optax's optimizer with the numbers of `conf/optimizer/NAME.yaml` and a rate that may be traced."""
    import optax

    n = numbers(name)
    if name == "adam":
        return optax.adam(rate, *n["betas"], eps=n["eps"])
    if name == "adagrad":
        return optax.adagrad(rate, initial_accumulator_value=0.0, eps=n["eps"])
    if name == "rmsprop":
        return optax.rmsprop(rate, decay=n["alpha"], eps=n["eps"], eps_in_sqrt=False)
    return optax.sgd(rate, momentum=n.get("momentum"))


# --- formulations: from (weight, bias) and a seed's data to the loss and its gradient ---------------------------------


def autograd(theta: Any, data: Any) -> Any:
    """As one would write it."""
    import jax
    import jax.numpy as jnp

    def loss(theta: Any) -> Any:
        return jnp.mean((theta[0] * data[0] + theta[1] - data[1]) ** 2)

    return jax.value_and_grad(loss)(theta)


def by_hand(theta: Any, data: Any) -> Any:
    """Two dot products and a sum."""
    import jax.numpy as jnp

    x, y = data
    error, n = theta[0] * x + theta[1] - y, len(x)
    return jnp.dot(error, error) / n, (2 / n * jnp.dot(error, x), 2 / n * jnp.sum(error))


def normal_equations(theta: Any, data: Any) -> Any:
    """`loss* + ½ dᵀ H d` with gradient `H d`, `d` the distance from the least squares: no row is seen."""
    hessian, best, least = data
    w, b = theta[0] - best[0], theta[1] - best[1]
    gradient = hessian[0, 0] * w + hessian[0, 1] * b, hessian[1, 0] * w + hessian[1, 1] * b
    return least + 0.5 * (w * gradient[0] + b * gradient[1]), gradient


def condensed(x: np.ndarray, y: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Of every seed the Hessian `[S, 2, 2]`, the least squares `[S, 2]` and their loss `[S]`; once, in float64."""
    design = np.stack([x, np.ones_like(x)], -1).astype(np.float64)
    best = np.stack([np.linalg.lstsq(one, targets, rcond=None)[0] for one, targets in zip(design, y, strict=True)])
    least = ((np.einsum("snk,sk->sn", design, best) - y) ** 2).mean(1)
    hessian = 2 / x.shape[1] * np.einsum("snj,snk->sjk", design, design)
    return hessian.astype(np.float32), best.astype(np.float32), least.astype(np.float32)


FORMULATIONS: dict[str, Callable[[Any, Any], Any]] = {
    "autograd": autograd,
    "by_hand": by_hand,
    "normal_equations": normal_equations,
}


# --- the program ------------------------------------------------------------------------------------------------------


def member(name: str, gradient: Callable[[Any, Any], Any], steps: int) -> Callable[..., Any]:
    """A member's training: from rate, start and data to the final `(weight, bias)` and `[steps / EVERY]` losses."""
    import optax
    from jax import lax

    def train(rate: Any, start: Any, data: Any) -> Any:
        optimizer = rule(name, rate)

        def step(carry: Any, _: None) -> Any:
            theta, state = carry
            loss, slope = gradient(theta, data)
            updates, state = optimizer.update(slope, state, theta)
            return (optax.apply_updates(theta, updates), state), loss

        def silent(carry: Any, _: None) -> Any:
            return step(carry, None)[0], None

        def recorded(carry: Any, _: None) -> Any:
            carry, loss = step(carry, None)
            carry, _ = lax.scan(silent, carry, None, length=EVERY - 1, unroll=UNROLLED)
            return carry, loss

        (theta, _), losses = lax.scan(recorded, (start, optimizer.init(start)), None, length=steps // EVERY)
        return theta, losses

    return train


def program(name: str, formulation: str, steps: int) -> Callable[..., Any]:
    """All members `[S, R]` of an optimizer: the data of a seed are shared by its rates; seeds go over the devices."""
    import jax
    from jax.sharding import Mesh, PartitionSpec

    of_seed = jax.vmap(member(name, FORMULATIONS[formulation], steps), (0, None, None))
    whole = jax.vmap(of_seed, (None, 0, 0))
    mesh, seeds = Mesh(np.array(jax.devices()), ("seeds",)), PartitionSpec("seeds")
    return jax.jit(jax.shard_map(whole, mesh=mesh, in_specs=(PartitionSpec(), seeds, seeds), out_specs=seeds))


def drawn(seeds: int) -> tuple[np.ndarray, np.ndarray, tuple[np.ndarray, np.ndarray]]:
    """Inputs and targets `[S, N]` and the starts `([S], [S])`, as this project draws them."""
    lines = [line(seed) for seed in range(seeds)]
    x, y = np.stack([x.numpy()[:, 0] for x, _, _ in lines]), np.stack([y.numpy()[:, 0] for _, y, _ in lines])
    weights, biases = np.array([final(model) for _, _, model in lines], dtype=np.float32).T
    return x, y, (weights, biases)


def measure(jobs: Jobs, rounds: int) -> dict[str, dict[str, Any]]:
    """Of every formulation: seconds of training (the median of the rounds) and compiling, and where members ended."""
    import jax

    x, y, starts = drawn(jobs.seeds)
    rates = np.array(jobs.rates, dtype=np.float32)
    measured = {}
    for formulation in FORMULATIONS:
        arguments = rates, starts, condensed(x, y) if formulation == "normal_equations" else (x, y)
        began = time.perf_counter()
        compiled = [program(name, formulation, jobs.steps).lower(*arguments).compile() for name in jobs.optimizers]  # type: ignore[attr-defined]
        compiling = time.perf_counter() - began
        # on the devices before the clock runs, and once through
        placed = [jax.device_put(arguments, one.input_shardings[0]) for one in compiled]
        ends = jax.block_until_ready([one(*given) for one, given in zip(compiled, placed, strict=True)])
        times = []
        for _ in range(rounds):
            began = time.perf_counter()
            for one, given in zip(compiled, placed, strict=True):
                jax.block_until_ready(one(*given))
            times.append(time.perf_counter() - began)
        finals = _finals(jobs, [theta for theta, _ in ends])
        measured[formulation] = {"train": statistics.median(times), "compile": compiling, "finals": finals}
    return measured


def _finals(jobs: Jobs, ends: Sequence[Any]) -> list[tuple[str, float, int, float, float]]:
    """Optimizer, rate, seed, final weight and bias of every run."""
    return [
        (name, rate, seed, float(weights[seed][index]), float(biases[seed][index]))
        for name, end in zip(jobs.optimizers, ends, strict=True)
        for weights, biases in [[np.asarray(part) for part in end]]
        for seed in range(jobs.seeds)
        for index, rate in enumerate(jobs.rates)
    ]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--optimizers", nargs="+", choices=OPTIMIZERS, default=list(OPTIMIZERS))
    parser.add_argument("--points", type=int, default=25, help="learning rates")
    parser.add_argument("--seeds", type=int, default=8)
    parser.add_argument("--steps", type=int, default=2000, help=f"a multiple of {EVERY}")
    parser.add_argument("--rounds", type=int, default=5, help="the median of so many counts")
    parser.add_argument("--cores", type=int, default=1)
    parser.add_argument("--out", type=Path, required=True, help="the JSON file to write")
    arguments = parser.parse_args()
    if arguments.steps % EVERY:
        parser.error(f"--steps {arguments.steps}: must be a multiple of {EVERY}")
    with_cores(arguments.cores, shards=math.gcd(arguments.seeds, arguments.cores))
    jobs = Jobs(tuple(arguments.optimizers), arguments.points, arguments.seeds, arguments.steps)
    arguments.out.write_text(json.dumps(measure(jobs, arguments.rounds)))


if __name__ == "__main__":
    main()
