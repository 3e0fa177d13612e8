"""A picture of every kind, and what is drawn of it: the marks of Vega's scene graph, by their kind."""

import json
from collections.abc import Iterator
from functools import cache
from typing import Any

import numpy as np
import vl_convert

from src.plots.chart import (
    Axis,
    Chart,
    Contours,
    Heat,
    Level,
    Line,
    Parallel,
    Path,
    Picture,
    Points,
    Region,
    Setting,
)
from src.plots.files import alone
from src.plots.spec import Spec

NASTY = "_$x^2$ <b>&amp; λ 'a' \"b\" \\n %{x}"
RATES, LOSSES = [0.001, 0.01, 0.1], [3.0, 1.0, 2.0]
CHART = Chart(
    "rates",
    "Rates",
    Axis("learning rate", log=True, switch=True),
    Axis("loss", log=True, switch=True),
    lines=[
        Line("sgd", RATES, LOSSES, low=[2.0, 0.0, 1.0], high=[4.0, 2.0, 3.0], markers=True, runs=["1", "2", "3"]),
        Line("theory", RATES, [1.0, 1.0, 1.0], role="reference"),
    ],
    points=[Points("best", [0.01], [1.0])],
    levels=[Level("critical", 0.05, "x", "sgd"), Level("exact", 0.9, "y")],
    regions=[Region("sgd diverged", 0.08, None, of="sgd")],
)
HEAT = Heat(
    "heat",
    "Heat",
    "rate",
    "optimizer",
    ["a", "b", "c"],
    ["d", NASTY],
    np.array([[1, np.nan, 5], [np.nan, 100.0, 1000.0]]),
    "z",
    log=True,
    lost=np.array([[False, True, False], [False, False, False]]),
    best=[0, None],
    cap=100.0,
)
GRID = np.linspace(-1.0, 1.0, 41)
BOWL = Contours(
    "bowl",
    "Bowl",
    Axis("x", limits=(-1, 1)),
    Axis("y", limits=(-0.5, 0.5)),
    GRID,
    GRID / 2,
    GRID[:, None] ** 2 / 4 + GRID**2,
    "f",
    paths=[Path("sgd", [0, 5, 10], [1.0, 0.5, 0.0], [0.5, 0.25, 0.0]), Path(NASTY, [0, 5], [0.5, np.nan], [0.5, 0.0])],
    points=[Points("minimum", [0.0], [0.0], role="star")],
    frames=[0, 5, 10],
)
PARALLEL = Parallel(
    "parallel",
    "All",
    [Axis("optimizer", limits=(-0.5, 1.5), names=["sgd", "adam"]), Axis("rate", log=True, limits=(1e-4, 1))],
    [
        Setting("sgd", [0.0, 0.01], [0, 10], [3.0, 1.0], "7"),
        Setting("adam", [1.0, None], [0, 10], [3.0, 2.0], "8"),
    ],
    Axis("step", switch=True),
    Axis("loss", log=True),
)
ALL = (CHART, HEAT, BOWL, PARALLEL)


def with_params(spec: Spec, **params: Any) -> Spec:
    """A spec whose `params` a page has set."""
    return spec | {
        "params": [one | {"value": params[one["name"]]} if one["name"] in params else one for one in spec["params"]]
    }


def drawn(picture: Picture | Spec, kind: str, **params: Any) -> list[dict[str, Any]]:
    """The items of all marks of a kind, such as "line" or "text", in the order they are drawn; not those of axes."""
    spec = with_params(picture if isinstance(picture, dict) else alone(picture), **params)
    return list(_items(_scene(json.dumps(spec)), kind))


@cache
def _scene(spec: str) -> dict[str, Any]:
    scene: dict[str, Any] = vl_convert.vegalite_to_scenegraph(spec)["scenegraph"]
    return scene


def texts(picture: Picture | Spec, **params: Any) -> list[str]:
    """What is written, but for axes, titles and legends; outlines left out."""
    return [one["text"] for one in drawn(picture, "text", **params) if "stroke" not in one]


def _items(node: Any, kind: str) -> Iterator[dict[str, Any]]:
    for one in node.get("items", ()):
        if node.get("marktype") == kind and node.get("role") == "mark":
            yield one
        yield from _items(one, kind)
