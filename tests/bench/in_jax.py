"""The same runs as JAX programs: a member's training is a scan over its steps, and vmap makes it all members'.

As in PureJaxRL. Which form XLA makes fast is not known beforehand, nor how many steps it should see as one, nor whether
it should have one device or one a core: each is tried on a tenth of the steps, and the fastest is measured. What is
here runs in processes of its own (`tests.bench.measure.Peer`), since XLA is told its devices before it starts.
"""

import math
import os
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from tests.bench.grid import Drawn, Grid

EVERY = 10
"""Losses are recorded at multiples of it, as `trainer.log_every_n_steps` does."""
TOGETHER = 25
"""Members that are taken together by forms that stay in a cache."""
UNROLLED = (1, 3)
"""Steps that the compiler may see as one; more took longer to compile and not less to run."""


def rule(grid: Grid, name: str, rate: Any) -> Any:
    """Optax's optimizer with the numbers of `conf/optimizer/NAME.yaml` and a rate that may be traced."""
    import optax

    n = grid.numbers(name)
    if name == "adam":
        return optax.adam(rate, *n["betas"], eps=n["eps"])
    if name == "adagrad":
        return optax.adagrad(rate, initial_accumulator_value=0.0, eps=n["eps"])
    if name == "rmsprop":
        return optax.rmsprop(rate, decay=n["alpha"], eps=n["eps"], eps_in_sqrt=False)
    return optax.sgd(rate, momentum=n.get("momentum"))


# --- gradients: from parameters, a seed's data and the rows of a step to the loss and its gradient -------------------


def autograd(theta: Any, data: Any, rows: Any) -> Any:
    """As one would write it."""
    import jax
    import jax.numpy as jnp

    x, y = data if rows is None else (data[0][rows], data[1][rows])

    def loss(theta: Any) -> Any:
        if "weight" in theta:
            predicted = x @ theta["weight"] + theta["bias"]
        else:
            hidden = jax.nn.relu(x @ theta["weight1"] + theta["bias1"])
            predicted = hidden @ theta["weight2"] + theta["bias2"]
        return jnp.mean((predicted - y) ** 2)

    return jax.value_and_grad(loss)(theta)


def normal_equations(theta: Any, data: Any, rows: Any) -> Any:
    """Of a line, `loss* + ½ dᵀ H d` with gradient `H d`, `d` the distance from the least squares: no row is seen."""
    hessian, best, least = data
    w, b = theta["weight"][0, 0] - best[0], theta["bias"][0, 0] - best[1]
    gradient = hessian[0, 0] * w + hessian[0, 1] * b, hessian[1, 0] * w + hessian[1, 1] * b
    slope = {"weight": gradient[0].reshape(1, 1), "bias": gradient[1].reshape(1, 1)}
    return least + 0.5 * (w * gradient[0] + b * gradient[1]), slope


def condensed(drawn: Drawn) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Of every seed the Hessian `[S, 2, 2]`, the least squares `[S, 2]` and their loss `[S]`; once, in float64."""
    x, y = drawn.inputs[..., 0].astype(np.float64), drawn.targets[..., 0]
    design = np.stack([x, np.ones_like(x)], -1)
    best = np.stack([np.linalg.lstsq(one, targets, rcond=None)[0] for one, targets in zip(design, y, strict=True)])
    least = ((np.einsum("snk,sk->sn", design, best) - y) ** 2).mean(1)
    hessian = 2 / x.shape[1] * np.einsum("snj,snk->sjk", design, design)
    return hessian.astype(np.float32), best.astype(np.float32), least.astype(np.float32)


def members_last(theta: Any, data: Any, rows: Any) -> Any:
    """By hand, of networks whose parameters are `[..., R]`: what members share is multiplied with all of them at once.

    Their losses are `[R]`.
    """
    import jax.numpy as jnp

    x, y = data[0][rows], data[1][rows]
    hidden = jnp.einsum("bi,ihr->bhr", x, theta["weight1"]) + theta["bias1"]
    active, second = jnp.maximum(hidden, 0), theta["weight2"][:, 0]
    error = (active * second).sum(1) + theta["bias2"][0, 0] - y
    slope = 2 / len(x) * error
    back = jnp.where(hidden > 0, slope[:, None] * second, 0)
    return (error**2).mean(0), {
        "weight1": jnp.einsum("bi,bhr->ihr", x, back),
        "bias1": back.sum(0, keepdims=True),
        "weight2": (active * slope[:, None]).sum(0)[:, None],
        "bias2": slope.sum(0)[None, None],
    }


# --- programs: of all members [S, R] of an optimizer, whose seed's data are shared by its rates ---------------------


def training(grid: Grid, name: str, gradient: Callable[..., Any], steps: int, unroll: int) -> Callable[..., Any]:
    """From a rate, a start, data and order to the losses `[steps / EVERY]`; of a rate each where all are given."""

    def train(rate: Any, start: Any, data: Any, order: Any) -> Any:
        import jax
        from jax import lax

        optimizer = rule(grid, name, 1.0)  # a step is as long as its rate

        def step(carry: Any, rows: Any) -> Any:
            theta, state = carry
            loss, slope = gradient(theta, data, rows)
            updates, state = optimizer.update(slope, state, theta)
            return (jax.tree.map(lambda one, change: one + rate * change, theta, updates), state), loss

        def recorded(carry: Any, rows: Any) -> Any:
            carry, loss = step(carry, jax.tree.map(lambda each: each[0], rows))
            rest = jax.tree.map(lambda each: each[1:], rows)
            return lax.scan(lambda *given: (step(*given)[0], None), carry, rest, EVERY - 1, unroll=unroll)[0], loss

        rows = jax.tree.map(lambda each: each.reshape(steps // EVERY, EVERY, -1), order)
        return lax.scan(recorded, (start, optimizer.init(start)), rows, steps // EVERY)[1]

    return train


def all_at_once(train: Callable[..., Any]) -> Callable[..., Any]:
    """Every member in every operation."""
    import jax

    return jax.vmap(jax.vmap(train, (0, None, None, None)), (None, 0, 0, 0))


def some_at_a_time(train: Callable[..., Any]) -> Callable[..., Any]:
    """A few members, all their steps, before the next."""
    import jax
    from jax import lax

    def of_seed(rates: Any, given: Any) -> Any:
        one = jax.vmap(train, (0, None, None, None))
        groups = rates.reshape(-1, math.gcd(TOGETHER, len(rates)))
        losses = lax.map(lambda group: one(group, *given), groups)
        return losses.reshape(len(rates), -1)

    return lambda rates, *given: lax.map(lambda one: of_seed(rates, one), given)


def last(train: Callable[..., Any]) -> Callable[..., Any]:
    """Every member in every operation, as the last axis."""
    import jax
    import jax.numpy as jnp

    def of_seed(rates: Any, start: Any, data: Any, order: Any) -> Any:
        spread = jax.tree.map(lambda each: jnp.broadcast_to(each[..., None], (*each.shape, len(rates))), start)
        return train(rates, spread, data, order).T

    return jax.vmap(of_seed, (None, 0, 0, 0))


FORMS = {
    "jax.grad": (autograd, all_at_once),
    f"jax.grad, {TOGETHER} members at a time": (autograd, some_at_a_time),
    "by hand, members last": (members_last, last),
    "normal equations": (normal_equations, all_at_once),
}
GRAD, NETWORK, EQUATIONS = tuple(FORMS)[:2], tuple(FORMS)[:3], tuple(FORMS)[3:]
"""Those of lines, of networks, and of lines on the normal equations."""


@dataclass(frozen=True)
class Compiled:
    """A program with what it is given, on its devices.

    Attributes:
        run: it.
        given: to it.
        seconds: that compiling took.
    """

    run: Callable[..., Any]
    given: tuple[Any, ...]
    seconds: float

    def __call__(self) -> tuple[float, Any]:
        """Seconds, and losses `[S, R, steps / EVERY]`."""
        import jax

        began = time.perf_counter()
        losses = jax.block_until_ready(self.run(*self.given))
        return time.perf_counter() - began, losses


def compiled(grid: Grid, name: str, form: str, unroll: int) -> Compiled:
    """A program for the devices there are: seeds go over them."""
    import jax
    from jax.sharding import Mesh, PartitionSpec

    gradient, members = FORMS[form]
    drawn = grid.drawn()
    data = condensed(drawn) if gradient is normal_equations else (drawn.inputs, drawn.targets)
    given = np.array(grid.rates, drawn.inputs.dtype), dict(drawn.start), data, drawn.order
    mesh, seeds = Mesh(np.array(jax.devices()), ("seeds",)), PartitionSpec("seeds")
    whole = members(training(grid, name, gradient, grid.steps, unroll))
    sharded = jax.shard_map(whole, mesh=mesh, in_specs=(PartitionSpec(), seeds, seeds, seeds), out_specs=seeds)
    began = time.perf_counter()
    made = jax.jit(sharded).lower(*given).compile()
    seconds = time.perf_counter() - began
    return Compiled(made, jax.device_put(given, made.input_shardings[0]), seconds)


def sweeps(grid: Grid, forms: tuple[str, ...], devices: int) -> Iterator[Any]:
    """First the fastest way of it, `(seconds of a tenth, seconds of compiling, how)`, and losses `[O, S, R, K]`; then
    seconds, as often as it is asked."""
    flags = f"--xla_force_host_platform_device_count={math.gcd(devices, grid.seeds)}"
    os.environ["XLA_FLAGS"] = f"{os.environ.get('XLA_FLAGS', '')} {flags} --xla_cpu_multi_thread_eigen=false"
    short = replace(grid, steps=max(EVERY, grid.steps // 10 // EVERY * EVERY))
    found, how, tried = list[Compiled](), list[str](), 0.0
    for name in grid.optimizers:
        ways = {(form, unroll): compiled(short, name, form, unroll) for form in forms for unroll in UNROLLED}
        for way in ways.values():
            way()  # what is set up once is no cost of a step
        seconds = {one: min(way()[0] for _ in range(2)) for one, way in ways.items()}
        form, unroll = min(seconds, key=lambda one: seconds[one])
        tried += seconds[form, unroll]
        found.append(compiled(grid, name, form, unroll))
        how.append(f"{form}, unroll={unroll}")
    told = "; ".join(dict.fromkeys(how))
    yield (tried, sum(one.seconds for one in found), told), np.stack([np.asarray(one()[1]) for one in found])
    while True:
        yield sum(one()[0] for one in found)


def two_layer(drawn: Drawn, rate: float, steps: int) -> Iterator[Any]:
    """First the final loss of one network without biases under the sum of squares; then seconds."""
    import jax

    jax.config.update("jax_enable_x64", True)
    import jax.numpy as jnp
    from jax import lax

    x, y = drawn.inputs[0], drawn.targets[0]

    def loss(theta: Any, x: Any, y: Any) -> Any:
        return jnp.sum((jnp.maximum(x @ theta["weight1"], 0) @ theta["weight2"] - y) ** 2)

    @jax.jit
    def train(theta: Any, x: Any, y: Any) -> Any:
        def step(theta: Any, _: None) -> Any:
            value, slope = jax.value_and_grad(loss)(theta, x, y)
            return jax.tree.map(lambda one, change: one - rate * change, theta, slope), value

        return lax.scan(step, theta, None, steps)

    given = jax.device_put(({name: each[0] for name, each in drawn.start.items()}, x, y))
    yield float(loss(train(*given)[0], x, y))
    while True:
        began = time.perf_counter()
        jax.block_until_ready(train(*given))
        yield time.perf_counter() - began
