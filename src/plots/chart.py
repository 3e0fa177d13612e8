"""A picture as data: what is drawn, not how, which `src.plots.vega` knows.

Whatever carries the same `name` (an optimizer) has the same colour, dashes and marker in every picture of a page.
Where a value is not finite nothing is drawn, and a line is broken.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray

Numbers = Sequence[float] | NDArray[np.float64]
Role = Literal["series", "data", "star", "start", "saddle"]


@dataclass(frozen=True)
class Axis:
    """An axis of numbers.

    Attributes:
        label: what is along it, with its unit.
        log: whether it starts logarithmic.
        switch: whether a reader may change that.
        limits: the ends shown at first, in the units of the data; None for what the data need.
        names: what 0, 1, 2 and so on are called; empty for numbers.
        whole: whether only whole numbers are told along it.
    """

    label: str
    log: bool = False
    switch: bool = False
    limits: tuple[float, float] | None = None
    names: Sequence[str] = ()
    whole: bool = False

    @classmethod
    def of_shares(cls, label: str, values: Sequence[Numbers]) -> "Axis":
        """One that holds these shares, and nothing below 0 or above 1."""
        there = np.concatenate([np.asarray(one, np.float64) for one in values])
        there = there[np.isfinite(there)]
        low, high = (float(there.min()), float(there.max())) if len(there) else (0.0, 1.0)
        room = 0.1 * (high - low) or 0.05
        return cls(label, limits=(max(0.0, low - room), min(1.0, high + room)))


@dataclass(frozen=True)
class Line:
    """A line with an optional band.

    Attributes:
        name: in the legend.
        x: `[N]`, ascending.
        y: `[N]`.
        low: `[N]`, the band's lower edge; None for no band.
        high: `[N]`, its upper edge.
        hover: `[N]`, what names a point, such as the run; or one text for all; numbers are shown beside it anyway.
        role: "series" for what was measured, "reference" for what theory says (dashed, in a neutral colour).
        markers: whether each point gets a marker; None for not any.
        runs: `[N]`, of each point the run that a click on it tells of, a key of the page's runs; empty for none.
        stairs: whether the line, which then has no band, stays level up to the next point, as a distribution function
            does.
    """

    name: str
    x: Numbers
    y: Numbers
    low: Numbers | None = None
    high: Numbers | None = None
    hover: Sequence[str] | str = ""
    role: Literal["series", "reference"] = "series"
    markers: bool | None = False
    stairs: bool = False
    runs: Sequence[str] = ()


@dataclass(frozen=True)
class Points:
    """Points without a line.

    Attributes:
        name: in the legend.
        x: `[N]`.
        y: `[N]`.
        hover: `[N]`, what names a point; or one text for all.
        role: "series" in the name's colour, "data" for a grey cloud in the background, "star" for a black star, "start"
            for a ring, "saddle" for a cross.
        runs: as of a `Line`.
    """

    name: str
    x: Numbers
    y: Numbers
    hover: Sequence[str] | str = ""
    role: Role = "series"
    runs: Sequence[str] = ()


@dataclass(frozen=True)
class Level:
    """A dashed straight line from edge to edge, with its name written at it.

    Attributes:
        name: written at the line and in its hover.
        at: where it crosses its axis, in the units of the data.
        axis: "x" for a vertical line (a critical rate), "y" for a horizontal one (an exact loss).
        of: the series it belongs to, whose colour it takes and with which it is hidden; empty for neutral.
        dotted: instead of dashed, to tell it from another beside it.
    """

    name: str
    at: float
    axis: Literal["x", "y"]
    of: str = ""
    dotted: bool = False


@dataclass(frozen=True)
class Region:
    """A shaded stretch of the x axis over the whole height, such as the rates at which runs diverged.

    Attributes:
        name: in its hover.
        start: where it begins; None for the left edge.
        end: where it ends; None for the right edge.
        of: the series it belongs to, whose colour it takes and with which it is hidden.
    """

    name: str
    start: float | None
    end: float | None
    of: str


@dataclass(frozen=True)
class Chart:
    """Lines and points over two axes of numbers.

    Attributes:
        name: of its files and its anchor in the page: lower case, digits and underscores.
        title: a short one.
        x: the horizontal axis.
        y: the vertical axis.
        caption: a sentence or two below it: what is shown, over how many seeds, what a band is.
        lines: in the order of the legend.
        points: drawn above the lines, those in the background below them.
        levels: dashed straight lines.
        regions: shaded stretches.
        stacked: whether the lines, which then share their x, are heights of areas upon each other, the first lowest.
    """

    name: str
    title: str
    x: Axis
    y: Axis
    caption: str = ""
    lines: Sequence[Line] = ()
    points: Sequence[Points] = ()
    levels: Sequence[Level] = ()
    regions: Sequence[Region] = ()
    stacked: bool = False


def are_texts(labels: Sequence[str] | Sequence[float]) -> bool:
    """Whether rows or columns of a `Heat` are named, not numbered."""
    return not labels or isinstance(labels[0], str)


@dataclass(frozen=True)
class Heat:
    """A matrix as colours.

    Attributes:
        name: as of a `Chart`.
        title: a short one.
        x_label: what the columns are.
        y_label: what the rows are.
        x: `[M]`, the columns: texts are evenly spaced, numbers are the middles of their columns.
        y: `[N]`, the rows, the first at the top for texts, at the bottom for numbers.
        values: `[N, M]`; what is not finite has no colour.
        value_label: what the colours mean, with its unit.
        log: whether the colours are logarithmic; values that are not above 0 then count as missing.
        missing: what a cell without a value means that is not lost, such as "not tried": it stays empty.
        lost: `[N, M]`, the cells that are crossed out, such as those that diverged; None for none.
        lost_label: what a cross means.
        best: of each row the index of the cell that is marked, None for none; empty for no marks at all.
        cap: above it all have the last colour, which the legend says as "and more"; None for no cap.
        classes: up to three values with their names, in whose place these have a colour each; empty for a gradient.
        hover: `[N][M]`, what names a cell; empty for its row and column.
        caption: as of a `Chart`.
    """

    name: str
    title: str
    x_label: str
    y_label: str
    x: Sequence[str] | Sequence[float]
    y: Sequence[str] | Sequence[float]
    values: NDArray[np.float64]
    value_label: str
    log: bool = False
    missing: str = "no value"
    hover: Sequence[Sequence[str]] = ()
    caption: str = ""
    lost: NDArray[np.bool_] | None = None
    lost_label: str = "diverged"
    best: Sequence[int | None] = ()
    cap: float | None = None
    classes: Sequence[tuple[float, str]] = ()

    @property
    def shown(self) -> NDArray[np.bool_]:
        """Which cells have a colour, `[N, M]`."""
        return np.isfinite(self.values) & ((self.values > 0) | (not self.log))


@dataclass(frozen=True)
class Path:
    """The path a run took over a surface.

    Attributes:
        name: in the legend.
        steps: `[N]`, optimizer steps, ascending.
        x: `[N]`, where it was then; a path that is not finite any more, or far out of the window, ends there.
        y: `[N]`.
        hover: one text that names the run.
        values: `[N]`, the height there, for the hover; empty for none.
    """

    name: str
    steps: Sequence[int]
    x: Numbers
    y: Numbers
    hover: str = ""
    values: Numbers = ()


@dataclass(frozen=True)
class Contours:
    """A surface over two numbers from above, with the paths taken over it; with frames, an animation.

    Both axes have one scale: a circle is round, and the steepest way is at right angles to the contour lines.

    Attributes:
        name: as of a `Chart`.
        title: a short one.
        x: the horizontal axis; its `limits` are the window.
        y: the vertical axis.
        grid_x: `[M]`, evenly spaced.
        grid_y: `[N]`, evenly spaced.
        heights: `[N, M]`.
        height_label: what the heights are.
        paths: those taken.
        points: minima, saddle points, the exact answer.
        axes: straight lines in the background, such as a valley's axes.
        caption: as of a `Chart`.
        frames: of an animation the step of each frame, ascending and evenly spaced, up to which a frame shows the
            paths; 60 to 150 of them play well. A page shows the steps between them too.
    """

    name: str
    title: str
    x: Axis
    y: Axis
    grid_x: Numbers
    grid_y: Numbers
    heights: NDArray[np.float64]
    height_label: str
    paths: Sequence[Path] = ()
    points: Sequence[Points] = ()
    axes: Sequence[Line] = ()
    caption: str = ""
    frames: Sequence[int] = ()

    @property
    def window(self) -> tuple[tuple[float, float], tuple[float, float]]:
        """The ends of x and of y that are shown: the limits of the axes, else the ends of the grid."""
        ends_x, ends_y = ((float(np.min(grid)), float(np.max(grid))) for grid in (self.grid_x, self.grid_y))
        return self.x.limits or ends_x, self.y.limits or ends_y


@dataclass(frozen=True)
class Setting:
    """A line across the axes of a `Parallel`, with its curve.

    Attributes:
        name: of its series.
        values: on each axis a number, the index of a name, or None where it has none.
        steps: `[N]` of its curve; empty where that cannot be read.
        losses: `[N]`.
        run: the run that a click tells of.
    """

    name: str
    values: Sequence[float | None]
    steps: Numbers
    losses: Numbers
    run: str = ""


@dataclass(frozen=True)
class Parallel:
    """Settings across parallel axes, one a swept key and the loss last, and their curves: one chooses the others.

    Attributes:
        name: as of a `Chart`.
        title: a short one.
        axes: of the keys and of the loss, their limits given.
        settings: those tried.
        curve_x: the horizontal axis of the curves.
        curve_y: the vertical one.
        caption: as of a `Chart`.
    """

    name: str
    title: str
    axes: Sequence[Axis]
    settings: Sequence[Setting]
    curve_x: Axis
    curve_y: Axis
    caption: str = ""


Picture = Chart | Heat | Contours | Parallel


def series(pictures: Sequence[Picture]) -> list[str]:
    """The names of all that is measured in these pictures, in the order they first come: they are coloured by it."""
    names: list[str] = []
    for picture in pictures:
        match picture:
            case Chart():
                names += [line.name for line in picture.lines if line.role == "series"]
                names += [points.name for points in picture.points if points.role == "series"]
            case Contours():
                names += [path.name for path in picture.paths]
            case Parallel():
                names += [setting.name for setting in picture.settings]
    return list(dict.fromkeys(names))
