"""A picture as a Vega-Lite spec: the one way in which all are drawn, in a page by its script and in files.

A spec is a plain dictionary whose numbers are finite and whose colours are those on white; where a page is dark it puts
`palette.DARK` in their place. Its `params`, which the page sets:

- `hidden`: names of series that are not drawn;
- `faded`: names of those drawn thin and grey, and not named where they end;
- `labelled`: how many are named where they end, such as 0 where there is no room;
- `step`, of an animation: up to where paths are drawn.
"""

from src.plots.chart import Chart, Contours, Heat, Parallel, Picture, series
from src.plots.heat_map import heat_map
from src.plots.lines import lines
from src.plots.palette import Looks, assign_looks
from src.plots.parallel import parallel
from src.plots.spec import Spec
from src.plots.surface import surface


def figure(picture: Picture, looks: Looks | None = None, legend: bool = False) -> Spec:
    """The spec of a picture; texts are shown as they were typed.

    Args:
        picture: what to draw.
        looks: of series, by name; by default those of this picture alone.
        legend: whether it has one, as outside of a page, where a click on the page's own hides a series.
    """
    looks = assign_looks(series([picture])) if looks is None else looks
    match picture:
        case Chart():
            return lines(picture, looks, legend)
        case Heat():
            return heat_map(picture, legend)
        case Contours():
            return surface(picture, looks, legend)
        case Parallel():
            return parallel(picture, looks, legend)
