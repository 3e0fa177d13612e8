"""What a series looks like in every picture: its colour, which the colour-blind can tell apart, marker and dashes.

A name is distinguished by its marker and, from the ninth on, by its dashes too, so that no picture needs its colours.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

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
# names of plotly's beside those of matplotlib; markers and colours repeat after different numbers
MARKERS = (
    ("circle", "o"),
    ("square", "s"),
    ("triangle-up", "^"),
    ("diamond", "D"),
    ("x", "X"),
    ("triangle-down", "v"),
    ("cross", "P"),
    ("pentagon", "p"),
    ("star", "*"),
)
DASHES = (("solid", "-"), ("dash", (0, (5, 2))), ("dot", (0, (1.2, 1.6))), ("dashdot", (0, (5, 2, 1.2, 2))))
# of what theory says
REFERENCE_DASHES = (
    ("6px,3px", (0, (6, 3))),
    ("2px,2px", (0, (2, 2))),
    ("8px,3px,2px,3px", (0, (8, 3, 2, 3))),
    ("12px,4px", (0, (12, 4))),
)

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

DARK = dict(COLOURS) | _NEUTRALS | dict(zip(TERRAIN, TERRAIN_ON_BLACK, strict=True))
"""What each colour becomes on a dark page; those that are not in it stay."""


@dataclass(frozen=True)
class Look:
    """How a series is drawn, as plotly and as matplotlib call it.

    Attributes:
        colour: on white, `#rrggbb`.
        marker: plotly's name and matplotlib's.
        dash: the same.
    """

    colour: str
    marker: tuple[str, str]
    dash: tuple[str, object]

    @property
    def dark(self) -> str:
        """The colour on a dark page."""
        return DARK[self.colour]


Looks = Mapping[str, Look]
NEUTRAL = Look(INK, MARKERS[0], DASHES[0])


def assign_looks(names: Sequence[str]) -> dict[str, Look]:
    """A look for every name, by its position among them."""
    return {
        name: Look(
            COLOURS[index % len(COLOURS)][0],
            MARKERS[index % len(MARKERS)],
            DASHES[index // len(COLOURS) % len(DASHES)],
        )
        for index, name in enumerate(names)
    }
