"""The script that draws specs in a page: Vega, Vega-Lite and Vega-Embed in one piece."""

from functools import cache

import vl_convert


@cache
def script() -> str:
    """It asks nothing of any network, and sets `vega`, `vegaLite` and `vegaEmbed` of the window."""
    bundle: str = vl_convert.javascript_bundle()  # type: ignore[call-arg]  # its stub lacks a default
    return bundle
