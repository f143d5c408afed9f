"""A run as a page: the verdict, and plots over time. One file, with its pictures in it."""

import html
import io
import math
from collections.abc import Sequence
from pathlib import Path

from load_tests.suite.objectives import Judged
from load_tests.suite.report import Run, text

NOT_MEASURED = "not measured"
_COLOURS = {"held": "#2a7", "broken": "#c33"}
_TITLES = (
    "requests/s",
    "latency from when a request was due, ms",
    "not answered as they should be, requests/s",
    "answers/s by release",
    "instances that are ready, and what waits in the gateways",
    "memory of all processes of the service, MiB",
)
_Lines = tuple[Sequence[float], dict[str, Sequence[float | None]]]

_STYLE = """body{font:15px/1.5 sans-serif;margin:2em auto;max-width:70em;padding:0 1em}
table{border-collapse:collapse}td,th{padding:.2em 1em .2em 0;text-align:left}
pre{overflow:auto;background:#8881;padding:1em}svg{max-width:100%;height:auto}"""


def write(run: Run, file: Path) -> None:
    """Write the page."""
    verdict = run.verdict
    title = html.escape(f"{run.profile}: {verdict.words}")
    rows = "".join(map(_row, verdict.judged))
    file.write_text(
        f'<!doctype html><html lang="en"><meta charset="utf-8"><title>{title}</title>'
        f"<style>{_STYLE}</style><h1>{title}</h1>"
        "<table><tr><th>objective<th>wanted<th>measured<th>verdict"
        f"{rows}</table>{_plots(run)}<pre>{html.escape(text(run))}</pre></html>\n",
        encoding="utf-8",
    )


def _lines(run: Run) -> list[_Lines]:
    """Return for each plot the moments, and what is drawn over them."""
    seconds, looks = run.seconds, run.looks
    at = [float(second.at) for second in seconds]
    looked = [look.at for look in looks]
    names = sorted({name for second in seconds for name in second.releases})
    return [
        (at, {"due": [s.due for s in seconds], "good": [s.good for s in seconds]}),
        (at, {name: [getattr(s, f"{name}_ms") for s in seconds] for name in ("p50", "p95", "p99")}),
        (at, {name: [getattr(s, name) for s in seconds] for name in ("failed", "shed", "wrong")}),
        (at, {f"version {name}": [s.releases.get(name, 0) for s in seconds] for name in names}),
        (looked, {name: [getattr(k, name) for k in looks] for name in ("instances", "queue")}),
        (looked, {"memory": [look.memory_mib for look in looks]}),
    ]


def _row(judged: Judged) -> str:
    colour = _COLOURS.get(judged.state, "#b80")
    cells = "".join(
        f"<td>{html.escape(cell)}" for cell in (judged.objective, judged.wanted, judged.measured)
    )
    return f'<tr>{cells}<td style="color:{colour}">{html.escape(judged.state)}'


def _plots(run: Run) -> str:
    """Return all plots as one picture in SVG."""
    from matplotlib import rc_context
    from matplotlib.figure import Figure

    figure = Figure(figsize=(11, 16), layout="constrained")
    axes = figure.subplots(len(_TITLES), 1, sharex=True)
    for axis, title, (at, lines) in zip(axes, _TITLES, _lines(run), strict=True):
        known = {name: y for name, y in lines.items() if any(v is not None for v in y)}
        unknown = "".join(f"; {name}: {NOT_MEASURED}" for name in lines if name not in known)
        axis.set_title(f"{title}{unknown}", loc="left", fontsize=10)
        for name, y in known.items():
            axis.plot(at, [v if v is not None else math.nan for v in y], label=name)
        if known:
            axis.legend(fontsize=8, loc="lower right")
            axis.set_ylim(bottom=0)
    axes[-1].set_xlabel("seconds")
    for operation in run.operations:
        for axis in axes:
            axis.axvspan(operation.began, operation.ended, alpha=0.1)
    written = io.StringIO()
    with rc_context({"svg.fonttype": "none"}):  # text is text, to be searched and copied
        figure.savefig(written, format="svg")
    return written.getvalue()[written.getvalue().index("<svg") :]
