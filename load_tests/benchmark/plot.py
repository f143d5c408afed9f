"""The run as a picture: for each load, how many times the requests/s of each other system."""

from pathlib import Path

import matplotlib as mpl
from matplotlib.axes import Axes
from matplotlib.figure import Figure as Picture
from matplotlib.ticker import FuncFormatter, NullFormatter

from load_tests.benchmark.figures import Results
from load_tests.benchmark.settings import Load
from load_tests.benchmark.systems import OURS, SYSTEMS

_COLUMNS = 3
_TICKS = [0.1, 0.2, 0.5, 1, 2, 5, 10, 20, 50]


def draw(results: Results, file: Path) -> None:
    """Draw the ratios with their spread, if there are any."""
    others = [name for name in results.systems() if name != OURS]
    loads = results.loads()
    if not others or not loads:
        return
    rows = -(-len(loads) // _COLUMNS)
    columns = min(_COLUMNS, len(loads))
    size = (2.0 + 3.4 * columns, rows * (0.9 + 0.3 * len(others)))
    with mpl.rc_context({"svg.fonttype": "none", "svg.hashsalt": "iris", "font.size": 9}):
        picture = Picture(figsize=size, layout="constrained")
        grid = picture.subplots(rows, columns, sharex=True, sharey=True, squeeze=False)
        for axes, load in zip(grid.flat, loads, strict=False):
            _panel(axes, results, others, load)
        for axes in list(grid.flat)[len(loads) :]:
            axes.set_visible(False)
        picture.suptitle("requests/s of iris serve over those of each other system")
        picture.savefig(file, metadata={"Date": None})


def _panel(axes: Axes, results: Results, others: list[str], load: Load) -> None:
    for place, name in enumerate(others):
        found = results.ratio(OURS, name, load, "requests_per_s")
        if found is None:
            continue
        spread = [[found.median - found.low], [found.high - found.median]]
        limit = SYSTEMS[name].front == "echo"
        colour = "#888888" if limit else "#1f6fb2"
        axes.errorbar([found.median], [place], xerr=spread, fmt="o", color=colour, capsize=3)
        axes.annotate(
            f"{found.median:.2g}", (found.median, place), (0, 5), textcoords="offset points",
            ha="center", fontsize=8,
        )  # fmt: skip
    axes.axvline(1, color="#444444", linewidth=0.8)
    axes.set_xscale("log")
    axes.set_xticks(_TICKS)
    axes.xaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:g}"))
    axes.xaxis.set_minor_formatter(NullFormatter())
    axes.set_xlim(0.04, 60)
    axes.set_ylim(len(others) - 0.4, -0.7)
    axes.set_yticks(range(len(others)), [SYSTEMS[name].title for name in others])
    axes.set_title(f"{load.connections} connections, {load.rows} row{'s'[: load.rows > 1]}")
    axes.grid(axis="x", linewidth=0.3)
