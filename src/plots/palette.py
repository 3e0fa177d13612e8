"""What a series looks like in every picture: its colour, which the colour-blind can tell apart, marker and dashes.

A name is distinguished by its marker and, from the ninth on, by its dashes too, so that no picture needs its colours.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import count, cycle

# on white beside on black. The first four are near Okabe and Ito's (2008), whose yellow, orange and sky blue are too
# pale for lines on white. For each kind of colour-blindness (Machado et al. 2009) all are 16 apart in CIELAB, and all
# have a contrast of 3:1
COLOURS = (
    ("#0072b2", "#2d8add"),
    ("#d55e00", "#fc8e39"),
    ("#009e73", "#36e0a9"),
    ("#b7538c", "#ec8dc3"),
    ("#986530", "#c99f63"),
    ("#4d4d4d", "#d9ecf0"),
    ("#0094ff", "#97d4f9"),
    ("#7c1e15", "#e63f30"),
)
# outlines around 0 in the language of SVG, within about 1; markers and colours repeat after different numbers
MARKERS = (
    "M-1 0a1 1 0 1 0 2 0a1 1 0 1 0-2 0z",
    "M-.9-.9H.9V.9H-.9z",
    "M0-1.15L1.1.85H-1.1z",
    "M0-1.25L1.25 0L0 1.25L-1.25 0z",
    "M-1-.55L-.55-1L0-.45L.55-1L1-.55L.45 0L1 .55L.55 1L0 .45L-.55 1L-1 .55L-.45 0z",
    "M0 1.15L1.1-.85H-1.1z",
    "M-.35-1.15H.35V-.35H1.15V.35H.35V1.15H-.35V.35H-1.15V-.35H-.35z",
    "M0-1.15L1.15-.3L.7 1H-.7L-1.15-.3z",
    "M0-1.35L.38-.42L1.3-.42L.55.15L.83 1.1L0 .55L-.83 1.1L-.55.15L-1.3-.42L-.38-.42z",
)
_RING = "M-1.2 0a1.2 1.2 0 1 0 2.4 0a1.2 1.2 0 1 0-2.4 0M-.85 0a.85 .85 0 1 1 1.7 0a.85 .85 0 1 1-1.7 0"
_CROSS = "M-1.1-.85L-.85-1.1L0-.25L.85-1.1L1.1-.85L.25 0L1.1.85L.85 1.1L0 .25L-.85 1.1L-1.1.85L-.25 0z"
_DASH = "M-1.6-.15H-.3V.15H-1.6zM.3-.15H1.6V.15H.3z"
# lengths of strokes and of gaps in pixels; none for a whole line
DASHES = ((1, 0), (7, 4), (2, 3), (7, 3, 2, 3))
# of what theory says
REFERENCE_STROKES = ((6, 3), (2, 2), (8, 3, 2, 3), (12, 4))

PAPER, INK, FAINT, GRID, CLOUD, MISSING = "#ffffff", "#1c2024", "#5b6570", "#e3e6ea", "#9aa3ad", "#cfd4da"
_NEUTRALS = {
    PAPER: "#12161b",
    INK: "#e8ebee",
    FAINT: "#a3adb8",
    GRID: "#2b323a",
    CLOUD: "#7c8691",
    MISSING: "#3a424b",
}

# heights seen from above, low to high: pale, so that paths stand out on them
TERRAIN = ("#c3d4e6", "#d3dfea", "#e2e8ee", "#eeeeec", "#f3ecdf", "#f2e3cb")
TERRAIN_ON_BLACK = ("#16324a", "#1c3143", "#22303b", "#2a2f33", "#35312b", "#443727")

# of what is better, as good and worse
CLASSES = (COLOURS[0][0], MISSING, COLOURS[1][0])

DARK = dict(COLOURS) | _NEUTRALS | dict(zip(TERRAIN, TERRAIN_ON_BLACK, strict=True))
"""What each colour becomes on a dark page; those that are not in it stay."""


@dataclass(frozen=True)
class Look:
    """How a series is drawn.

    Attributes:
        colour: on white, `#rrggbb`.
        shape: of its markers, an outline of SVG around 0.
        strokes: lengths of the strokes and gaps of its line, in pixels.
    """

    colour: str
    shape: str
    strokes: tuple[int, ...]

    @property
    def dark(self) -> str:
        """The colour on a dark page."""
        return DARK[self.colour]


Looks = Mapping[str, Look]
NEUTRAL = Look(INK, MARKERS[0], DASHES[0])
REFERENCE = Look(INK, _DASH, REFERENCE_STROKES[0])
# of points that belong to no series
ROLES = {
    "data": Look(CLOUD, MARKERS[0], DASHES[0]),
    "star": Look(INK, MARKERS[8], DASHES[0]),
    "start": Look(INK, _RING, DASHES[0]),
    "saddle": Look(INK, _CROSS, DASHES[0]),
}


def references(names: Iterable[str], colour: str = INK) -> dict[str, Look]:
    """How what theory says of a picture is drawn, in other dashes each."""
    return {name: replace(REFERENCE, colour=colour, strokes=one) for name, one in zip(names, cycle(REFERENCE_STROKES))}


# each of the first eight has a colour to itself; who shares it, in other dashes, is of its family where there is one
KNOWN = (
    *("sgd", "momentum", "adam", "adagrad", "rmsprop", "nesterov", "muon", "adamw"),
    *("asgd", "textbook_momentum", "textbook_adam", "textbook_adagrad", "textbook_rmsprop", "nadam", "rprop", "radam"),
    *("lbfgs", "adadelta", "adamax", "adafactor", "polyak", "signum", "lion", "schedule_free_adamw"),
    "schedule_free_sgd",
)


def assign_looks(names: Sequence[str]) -> dict[str, Look]:
    """A look for every name: an optimizer's own wherever it is, to others those that are left, in order.

    The optimizer is what comes before " (" or " ["; of several such names the first has its look.
    """
    own: dict[str, int] = {}
    for name in names:
        optimizer = name.split(" (")[0].split(" [")[0]
        if optimizer in KNOWN and KNOWN.index(optimizer) not in own.values():
            own[name] = KNOWN.index(optimizer)
    left = (index for index in count() if index not in own.values())
    return {name: _look(own[name] if name in own else next(left)) for name in dict.fromkeys(names)}


def _look(index: int) -> Look:
    return Look(
        COLOURS[index % len(COLOURS)][0],
        MARKERS[index % len(MARKERS)],
        DASHES[index // len(COLOURS) % len(DASHES)],
    )
