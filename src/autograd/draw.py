"""The computation graph as a picture: values going right in blue, derivatives coming back in orange.

By hand: networkx neither untangles layers nor has room for numbers on its lines, and Graphviz, which does both, is a
program that pip does not install.
"""

import math
import textwrap
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import pairwise
from pathlib import Path
from typing import Any
from xml.sax.saxutils import escape

import numpy as np
import vl_convert

from src.autograd.formula import Formula, FormulaError, Node
from src.autograd.tape import Backward, Values
from src.autograd.text import tensor_text

# Okabe and Ito's, which the colour-blind can tell apart
BLUE, ORANGE = "#0072B2", "#D55E00"
KINDS = (".svg", ".png", ".pdf")
MOST_STEPS = 30
# a letter of DejaVu Sans Mono is 0.602 of its size wide, so that nothing needs a renderer to be measured
POINTS = 9
DISTANCE = 0.06
LETTER, LINE = 0.602 * POINTS / 72, 1.25 * POINTS / 72

Point = tuple[float, float]
# what has its value and its gradient written to it: a line of the graph, from an input to its step, or a node
Labelled = tuple[Node, Node] | Node
# where a line passes a layer that it has no node in
Slot = Node | tuple[Node, Node, int]


@dataclass(frozen=True)
class Box:
    """A rectangle in inches, by its middle."""

    x: float
    y: float
    width: float
    height: float

    def overlap(self, other: "Box") -> float:
        """The area in common, where a little distance is kept too."""
        across = (self.width + other.width) / 2 - abs(self.x - other.x) + DISTANCE
        along = (self.height + other.height) / 2 - abs(self.y - other.y) + DISTANCE
        return max(0.0, across) * max(0.0, along)

    def count(self, points: "np.ndarray[Any, Any]") -> int:
        """How many of the points `[N, 2]` are inside."""
        return int((np.abs(points - (self.x, self.y)) <= (self.width / 2, self.height / 2)).all(1).sum())


@dataclass(frozen=True)
class Layout:
    """Where everything is: the boxes of nodes and of labels, and the corners of lines."""

    nodes: Mapping[Node, Box]
    lines: Mapping[tuple[Node, Node], Sequence[Point]]
    labels: Mapping[Labelled, Box]
    texts: Mapping[Labelled, tuple[str, str]]


def check_path(path: str, formula: Formula) -> Path:
    """Raises FormulaError where there is no picture to be drawn, before anything is computed."""
    if len(formula.steps) > MOST_STEPS:
        raise FormulaError(f"graph={path}: a picture has room for {MOST_STEPS} steps, not {len(formula.steps)}")
    if Path(path).suffix.lower() not in KINDS:
        raise FormulaError(f"graph={path}: a picture ends in {', '.join(KINDS)}")
    return Path(path)


def write(picture: str, path: Path) -> None:
    """Write what was drawn, with the numbers of an .svg as text.

    Raises:
        FormulaError: the file cannot be written.
    """
    kind, drawn = path.suffix.lower(), picture.encode()
    if kind == ".png":
        drawn = vl_convert.svg_to_png(picture, scale=150 / 72)
    elif kind == ".pdf":
        drawn = vl_convert.svg_to_pdf(picture)
    try:
        path.write_bytes(drawn)
    except OSError as error:
        raise FormulaError(f"graph={path}: it cannot be written ({error.strerror or error})") from None


def layout(formula: Formula, values: Values, back: Backward) -> Layout:
    """Inputs left, result right, every step in the layer after the last of its inputs; as wide as its labels need."""
    for spread in (1.0, 1.3, 1.7, 2.2, 3.0):
        plan = _layout(formula, values, back, spread)
        boxes = [*plan.nodes.values(), *plan.labels.values()]
        if not any(box.overlap(other) for index, box in enumerate(boxes) for other in boxes[:index]):
            break
    return plan


def _layout(formula: Formula, values: Values, back: Backward, spread: float) -> Layout:
    texts = _texts(formula, values, back)
    layers, paths = _layers(formula)
    sizes = {node: _box((node.made or node.name, node.name)) for node in formula.nodes}
    labels = {of: _box(text) for of, text in texts.items()}
    number = {slot: index for index, layer in enumerate(layers) for slot in layer}
    wide = [max(sizes[slot].width for slot in layer if isinstance(slot, Node)) for layer in layers]
    middles = [0.0]
    for index in range(1, len(layers)):
        inside = [labels[a, b].width for a, b in paths if number[a] < index <= number[b]]
        # where there are more, a label needs room to move along its line, away from others
        gap = max(inside) * (1.1 if len(inside) == 1 else 1.4 * spread) + 0.4
        middles.append(middles[-1] + (wide[index - 1] + wide[index]) / 2 + gap)
    high = max(box.height for box in [*labels.values(), *sizes.values()]) * spread**0.5 + 0.35
    at = {
        slot: (middle, ((len(layer) - 1) / 2 - index) * high)
        for middle, layer in zip(middles, layers, strict=True)
        for index, slot in enumerate(layer)
    }
    nodes = {node: replace(box, x=at[node][0], y=at[node][1]) for node, box in sizes.items()}
    lines: dict[tuple[Node, Node], list[Point]] = {}
    for ends, path in paths.items():
        corners: list[Point] = []
        for slot in path:
            (x, y), half = at[slot], (nodes[slot].width if isinstance(slot, Node) else wide[number[slot]]) / 2
            corners += [(x - half, y), (x + half, y)]
        lines[ends] = corners[1:-1]
    beside: dict[Labelled, Box] = {}
    for node in (*formula.variables, formula.result):
        shift = (nodes[node].width + labels[node].width) / 2 + 1.2 * DISTANCE
        x = at[node][0] + (-shift if node in formula.variables else shift)
        beside[node] = _box(texts[node], (x, at[node][1]))
    return Layout(nodes, lines, {**beside, **_put_labels(lines, texts, [*nodes.values(), *beside.values()])}, texts)


def draw(formula: Formula, values: Values, back: Backward) -> str:
    """The graph as SVG; on a line is what flows along it, and beside an input the sum of what arrives."""
    plan = layout(formula, values, back)
    corners = [Box(*corner, 0, 0) for line in plan.lines.values() for corner in line]
    boxes = [*plan.nodes.values(), *plan.labels.values(), *corners]
    left = min(box.x - box.width / 2 for box in boxes) - 0.15
    bottom = min(box.y - box.height / 2 for box in boxes) - 0.15
    right = max(left + 4.8, max(box.x + box.width / 2 for box in boxes) + 0.15)  # at least the legend's width
    title = textwrap.wrap(formula.text, int((right - left) / LETTER) - 4)
    head = max(box.y + box.height / 2 for box in boxes) + 0.2 + LINE * (len(title) + 1.5)
    parts = [f'<rect x="{72 * left:.1f}" y="{-72 * head:.1f}" width="100%" height="100%" fill="white"/>']
    for line in plan.lines.values():
        (x, y), (before_x, before_y) = line[-1], line[-2]
        turn = math.degrees(math.atan2(before_y - y, x - before_x))
        path = " ".join(f"{72 * at:.1f},{-72 * up:.1f}" for at, up in line)
        parts.append(f'<polyline points="{path}" fill="none" stroke="#999999"/>')
        parts.append(f'<path d="M0 0L-8 3V-3z" fill="#999999" {_moved(x, y)[:-1]} rotate({turn:.1f})"/>')
    for of, box in plan.labels.items():
        for text, colour, side in zip(plan.texts[of], (BLUE, ORANGE), (1, -1), strict=True):
            lines = text.split("\n")
            middle = box.y + side * (box.height - LINE * len(lines)) / 2
            parts += _lines(lines, box.x, middle, colour, halo=True)
    for node, box in plan.nodes.items():
        corner = f'x="{-36 * box.width:.1f}" y="{-36 * box.height:.1f}"'
        size = f'width="{72 * box.width:.1f}" height="{72 * box.height:.1f}" rx="3"'
        paint = f'fill="{"#f2f2f2" if node.made else "white"}" stroke="#666666"'
        parts.append(f"<rect {corner} {size} {paint} {_moved(box.x, box.y)}/>")
        parts += _lines([node.made, node.name] if node.made else [node.name], box.x, box.y)
    parts += _lines(title, left + 0.15, head - 0.1 - LINE * len(title) / 2, anchor="start")
    legend = (0.15, "values, going forward →", BLUE), (1.95, "← derivatives, coming back (they add up)", ORANGE)
    for x, text, colour in legend:
        y = head - 0.15 - LINE * (len(title) + 0.5)
        parts += _lines([text], left + x, y, colour, "start", family="DejaVu Sans, sans-serif")
    wide, tall = 72 * (right - left), 72 * (head - bottom)
    view = f'width="{wide:.1f}" height="{tall:.1f}" viewBox="{72 * left:.1f} {-72 * head:.1f} {wide:.1f} {tall:.1f}"'
    return f'<svg xmlns="http://www.w3.org/2000/svg" {view}>\n' + "\n".join(parts) + "\n</svg>\n"


def _moved(x: float, y: float) -> str:
    """SVG counts in points, downwards."""
    return f'transform="translate({72 * x:.1f} {-72 * y:.1f})"'


def _lines(
    lines: Sequence[str],
    x: float,
    y: float,
    colour: str = "black",
    anchor: str = "middle",
    halo: bool = False,
    family: str = "DejaVu Sans Mono, monospace",
) -> list[str]:
    """Lines of text around a place."""
    behind = 'stroke="white" stroke-opacity="0.85" stroke-width="3" paint-order="stroke" ' if halo else ""
    font = f'font-family="{family}" font-size="{POINTS}" text-anchor="{anchor}" fill="{colour}" {behind}'
    return [
        f'<text {font}xml:space="preserve" {_moved(x, y + LINE * ((len(lines) - 1) / 2 - index))} dy="0.36em">'
        f"{escape(text)}</text>"
        for index, text in enumerate(lines)
    ]


def _texts(formula: Formula, values: Values, back: Backward) -> dict[Labelled, tuple[str, str]]:
    """Value and gradient, on every line and beside the ends."""
    texts: dict[Labelled, tuple[str, str]] = {}
    for edge in back.edges:
        value, gradient = (tensor_text(flow, 3, 4) for flow in (values[edge.input].detach(), edge.gradient))
        line = edge.input, edge.step
        # x*x takes x twice, along one line
        texts[line] = (value, f"{texts[line][1]} and {gradient}" if line in texts else gradient)
    for node in (*formula.variables, formula.result):
        texts[node] = (tensor_text(values[node].detach(), 3, 4), tensor_text(back.gradients[node], 3, 4))
    return texts


def _box(texts: Sequence[str], middle: Point = (0, 0)) -> Box:
    lines = [line for text in texts for line in text.split("\n")]
    return Box(*middle, LETTER * max(map(len, lines)) + 0.12, LINE * len(lines) + 0.08)


def _layers(formula: Formula) -> tuple[list[list[Slot]], dict[tuple[Node, Node], list[Slot]]]:
    """The slots of each layer from the top, and those that each line passes: a long line keeps one a layer."""
    layer = dict.fromkeys(formula.variables, 0)
    for node in formula.steps:
        layer[node] = 1 + max(layer[entry] for entry in node.inputs if entry.value is None)
    layers: list[list[Slot]] = [[] for _ in range(max(layer.values()) + 1)]
    for node, index in layer.items():
        layers[index].append(node)
    paths: dict[tuple[Node, Node], list[Slot]] = {}
    for node in formula.steps:
        for entry in dict.fromkeys(entry for entry in node.inputs if entry.value is None):
            between: list[Slot] = [(entry, node, index) for index in range(layer[entry] + 1, layer[node])]
            for index, slot in enumerate(between, layer[entry] + 1):
                layers[index].append(slot)
            paths[entry, node] = [entry, *between, node]
    _untangle(layers, [pair for path in paths.values() for pair in pairwise(path)])
    return layers, paths


def _untangle(layers: list[list[Slot]], pairs: Sequence[tuple[Slot, Slot]]) -> None:
    """Sweeps left and right, every slot to the mean position of its neighbours (Sugiyama, Tagawa and Toda 1981)."""
    near: dict[bool, dict[Slot, list[Slot]]] = {True: {}, False: {}}
    for a, b in pairs:
        near[True].setdefault(b, []).append(a)
        near[False].setdefault(a, []).append(b)
    positions = {slot: index - (len(layer) - 1) / 2 for layer in layers for index, slot in enumerate(layer)}
    for rightwards in (False, True) * 3:
        for layer in layers if rightwards else reversed(layers):
            means = {
                slot: sum(positions[other] for other in others) / len(others) if others else positions[slot]
                for slot in layer
                for others in [near[rightwards].get(slot, [])]
            }
            layer.sort(key=means.__getitem__)
            positions.update({slot: index - (len(layer) - 1) / 2 for index, slot in enumerate(layer)})


def _put_labels(
    lines: Mapping[tuple[Node, Node], Sequence[Point]], texts: Mapping[Labelled, tuple[str, str]], taken: list[Box]
) -> dict[Labelled, Box]:
    """Each label on its line, where it covers least of boxes, of other labels and of other lines."""
    dots = {
        ends: np.array([_along(*piece, t / 20) for piece in pairwise(line) for t in range(21)])
        for ends, line in lines.items()
    }
    labels: dict[Labelled, Box] = {}
    for ends, line in lines.items():
        others = np.concatenate([np.zeros((0, 2)), *(path for other, path in dots.items() if other != ends)])
        pieces = list(pairwise(line))[:5]
        tries = [(piece, t / 20) for t in sorted(range(3, 18), key=lambda t: abs(t - 10)) for piece in pieces]
        boxes = [_box(texts[ends], _along(*piece, t)) for piece, t in tries]
        costs = [10 * sum(map(box.overlap, taken)) + 0.01 * box.count(others) for box in boxes]
        labels[ends] = boxes[costs.index(min(costs))]
        taken = [*taken, labels[ends]]
    return labels


def _along(a: Point, b: Point, t: float) -> Point:
    return a[0] + t * (b[0] - a[0]), a[1] + t * (b[1] - a[1])
