"""To play with: a descent in two parameters that the page computes itself (`play.js`), from the numbers of a run."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import yaml
from numpy.typing import NDArray

from src.config.compose import CONF
from src.config.surfaces import FUNCTIONS, Function
from src.plots.contours import levels
from src.plots.one_run import Valley
from src.plots.palette import TERRAIN, TERRAIN_ON_BLACK
from src.report.race import Race, heights, way
from src.report.run_files import Run

GRID, MOST_STEPS = 121, 3000
OPTIMIZERS = ("sgd", "momentum", "nesterov", "rmsprop", "adam")
"""Those of `conf/optimizer` that `play.js` knows."""


@dataclass(frozen=True)
class Play:
    """A descent to play with.

    Attributes:
        name: of its section.
        title: a short one.
        caption: what is gone down.
        data: what `play.js` is given, as JSON.
        script: JavaScript of the surface, `NAME: {value, gradient}`; empty for a quadratic, which is in the data.
    """

    name: str
    title: str
    caption: str
    data: Mapping[str, Any]
    script: str = ""


def of_line(run: Run, valley: Valley, places: NDArray[np.float64]) -> Play | None:
    """The squared error of a line over weight and bias, in the units that descent sees.

    Args:
        run: it.
        valley: its loss, in the units of the data.
        places: `[T, 2]`, weights and biases along its way in the units of the data, the start first.

    Returns:
        None where the answer of the run is not that of its rows in either units: with weight decay, say.
    """
    exact = run.result["exact"]
    units, scales = "", _scales(valley)
    if not _answers(exact, valley, valley):
        units, seen = (
            " (standardized)",
            Valley((valley.x - scales[0]) / scales[1], (valley.y - scales[2]) / scales[3], valley.unit),
        )
        if not _answers(exact, seen, valley):
            return None
        valley, places = seen, _standardized(places, scales)
    start, lowest = places[0], valley.lowest
    if not np.isfinite(start).all():
        return None
    reach = 1.5 * float(np.hypot(*(start - lowest))) or 1.0
    window = [(float(at - reach), float(at + reach)) for at in lowest]
    values, least = np.linalg.eigvalsh(valley.hessian), float(valley.losses(*lowest))
    moving = [value for value in values.tolist() if value > 1e-12 * values[-1]]
    data = _data(run, window, valley.losses(*_grid(window)), start, places, least) | {
        "labels": [f"weight{units}", f"bias{units}"],
        "height": "loss above the exact one",
        "spread": valley.unit * float(np.var(valley.y)),
        "constant": True,
        "quadratic": {"hessian": valley.hessian.tolist(), "lowest": lowest.tolist(), "least": least},
        "minima": [{"at": lowest.tolist(), "eigenvalues": moving}],
        "saddles": [],
    }
    caption = (
        "The loss of this run's training rows over weight and bias; all rows in every step. Small dots are the run's "
    )
    caption += "own way. Drag the ring, or move it with the arrow keys, to start elsewhere."
    return Play("play", "To play with", caption, data)


def _scales(valley: Valley) -> tuple[float, float, float, float]:
    """Mean and deviation of inputs and of targets, by which a table is standardized."""
    return float(valley.x.mean()), float(valley.x.std()) or 1.0, float(valley.y.mean()), float(valley.y.std()) or 1.0


def _standardized(places: NDArray[np.float64], scales: tuple[float, float, float, float]) -> NDArray[np.float64]:
    """Weights and biases `[T, 2]` of a line through the data, as those through standardized data."""
    mean_x, scale_x, mean_y, scale_y = scales
    weight, bias = places.T
    return np.stack([weight * scale_x / scale_y, (bias + weight * mean_x - mean_y) / scale_y], 1)


def _answers(exact: Mapping[str, Any], seen: Valley, data: Valley) -> bool:
    """Whether `seen` has the Hessian that descent sees, and the exact answer is the lowest place of `data`."""
    try:
        known, answer = exact["hessian_eigenvalues"], [exact["weight"][0][0], exact["bias"][0]]
    except (KeyError, IndexError, TypeError):
        return False
    values, scale = np.linalg.eigvalsh(seen.hessian), 1e-6 * max(map(abs, known))
    return np.allclose(values, known, 1e-5, scale) and np.allclose(data.lowest, answer, 1e-5, 1e-8)


def of_race(race: Race) -> Play:
    """The surface of a race, begun as the best of those optimizers that are there to play with."""
    known = [runs[0] for _, runs in race.racers if _chosen(runs[0].run.config)]
    first = known[0] if known else race.racers[0][1][0]
    _, x, y = way(first)
    places = np.stack([x, y], 1)
    function = race.function
    data = _data(first.run, function.window, heights(function, *_grid(function.window)), places[0], places, 0.0) | {
        "labels": ["x", "y"],
        "height": "f(x, y)",
        "spread": 1.0,
        "constant": not _hessian(function).free_symbols,
        "quadratic": None,
        "surface": race.name,
        "minima": [{"at": list(at), "eigenvalues": _curvatures(function, at)} for at in function.minima],
        "saddles": [list(at) for at in function.saddles],
    }
    caption = f"f(x, y) = {function.formula}, with its true gradient. Small dots are the way of run {first.row.name}, "
    caption += "stars minima, crosses saddle points. Drag the ring, or move it with the arrow keys, to start elsewhere."
    return Play(race.problem.named("play"), f"To play with{race.problem.suffix}", caption, data, javascript(race.name))


def _data(
    run: Run,
    window: Sequence[tuple[float, float]],
    surface: NDArray[np.float64],
    start: NDArray[np.float64],
    places: NDArray[np.float64],
    least: float,
) -> dict[str, Any]:
    """What a line and a surface have in common."""
    chosen = _chosen(run.config)
    own = dict([chosen]) if chosen else {}
    finite = places[np.isfinite(places).all(1)]
    return {
        "window": [list(ends) for ends in window],
        "levels": levels(surface).tolist(),
        "terrain": {"light": list(TERRAIN), "dark": list(TERRAIN_ON_BLACK)},
        "least": least,
        "start": start.tolist(),
        "recorded": finite[:500].tolist(),
        "steps": int(min(MOST_STEPS, max(10, float(run.config.get("trainer.max_steps", 0)), run.result["steps"]))),
        "optimizers": {name: own.get(name) or _numbers(name, _of_conf(name)) for name in OPTIMIZERS},
        "chosen": {"optimizer": chosen[0], "numbers": chosen[1]} if chosen else {"optimizer": "sgd", "numbers": {}},
    }


def _grid(window: Sequence[tuple[float, float]]) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    x, y = np.meshgrid(*(np.linspace(*ends, GRID) for ends in window))
    return x, y


# --- optimizers ------------------------------------------------------------------------------------------------------


def _of_conf(name: str) -> dict[str, Any]:
    said: dict[str, Any] = yaml.safe_load((CONF / "optimizer" / f"{name}.yaml").read_text(encoding="utf-8"))
    return said


def _numbers(name: str, said: Mapping[str, Any]) -> dict[str, float]:
    """The numbers of an optimizer as `play.js` calls them, what is not said as torch has it."""
    lr = {"lr": float(said["lr"])}
    match name:
        case "momentum" | "nesterov":
            return lr | {"momentum": float(said["momentum"])}
        case "rmsprop":
            return lr | {name: float(said.get(name, usual)) for name, usual in _RMSPROP.items()}
        case "adam":
            beta1, beta2 = map(float, said.get("betas", (0.9, 0.999)))
            return lr | {"momentum": beta1, "beta2": beta2, "eps": float(said.get("eps", 1e-8))}
    return lr


_RMSPROP = {"momentum": 0.0, "alpha": 0.99, "eps": 1e-8}
_KEYS = {"SGD": {"momentum", "nesterov"}, "RMSprop": {"momentum", "alpha", "eps"}, "Adam": {"betas", "eps"}}


def _chosen(config: Mapping[str, str]) -> tuple[str, dict[str, float]] | None:
    """The optimizer of a run and its numbers; None where it is not among those, or has keys that they have not."""
    said = {
        key.removeprefix("optimizer."): yaml.safe_load(value) for key, value in config.items() if "optimizer." in key
    }
    kind = str(said.get("_target_", "")).removeprefix("torch.optim.")
    off = {"_target_", "_partial_", "lr", "rule"} | {key for key, value in said.items() if value in (None, False, 0)}
    if kind not in _KEYS or said.keys() - off - _KEYS[kind] or any(key.startswith("scheduler.") for key in config):
        return None
    plain = "nesterov" if said.get("nesterov") else "momentum" if said.get("momentum") else "sgd"
    name = plain if kind == "SGD" else kind.lower()
    return name, _numbers(name, {key: _number(value) for key, value in said.items()})


def _number(value: Any) -> Any:
    """What YAML reads as a word though it is a number, such as 1e-08."""
    try:
        return float(value) if isinstance(value, str) else value
    except ValueError:
        return value


# --- surfaces --------------------------------------------------------------------------------------------------------


def _symbols() -> tuple[Any, Any]:
    import sympy

    x, y = sympy.symbols("x y", real=True)
    return x, y


def javascript(name: str) -> str:
    """`NAME: {value, gradient}`: the formulas of `src.config.surfaces`, by way of SymPy, as JavaScript."""
    import sympy
    from sympy.printing.jscode import jscode

    function, (x, y) = FUNCTIONS[name], _symbols()

    def code(formula: Any) -> str:
        formula = sympy.sympify(formula)  # of 15 digits, as SymPy writes a float, 2π is not the same number
        return str(jscode(formula.xreplace({one: sympy.Float(one, 17) for one in formula.atoms(sympy.Float)})))

    value = code(function.value(x, y, sympy))
    gradient = ", ".join(map(code, function.gradient(x, y, sympy)))
    return f"{name}: {{ value: ([x, y]) => {value}, gradient: ([x, y]) => [{gradient}] }}"


def _hessian(function: Function) -> Any:
    """A SymPy matrix of x and y."""
    import sympy

    x, y = _symbols()
    return sympy.Matrix([sympy.sympify(one) for one in function.gradient(x, y, sympy)]).jacobian([x, y])


def _curvatures(function: Function, at: tuple[float, float]) -> list[float]:
    """The eigenvalues of the Hessian at a place, ascending; those that are 0 left out."""
    hessian = _hessian(function).subs(dict(zip(_symbols(), at, strict=True))).evalf()
    values = np.linalg.eigvalsh(np.array(hessian.tolist(), dtype=np.float64)).tolist()
    return [value for value in values if value > 1e-9 * max(map(math.fabs, values))]
