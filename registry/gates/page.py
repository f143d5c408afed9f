"""The report as a page: HTML with figures drawn as SVG, no script, nothing from elsewhere."""

from collections.abc import Callable
from html import escape

from registry.gates.findings import Finding, Listing, Measure, Report, Verdict

_COLOURS = {
    Verdict.PASS: "#2e7d32",
    Verdict.FAIL: "#c62828",
    Verdict.INCONCLUSIVE: "#b26a00",
    Verdict.NOT_APPLICABLE: "#6b7480",
}
_STYLE = (
    "body{font:15px/1.5 system-ui,sans-serif;margin:2em auto;max-width:62em;padding:0 1em}"
    "table{border-collapse:collapse;margin:.5em 0}"
    "td,th{border-bottom:1px solid #d5d9de;padding:.25em .8em;text-align:left;vertical-align:top}"
    "b.v{white-space:nowrap}code{overflow-wrap:anywhere}"
)
_WIDTH, _LEFT, _LINE = 780, 280, 28


def page(report: Report, digest: str) -> str:
    """Return the page of a report that is kept under `digest`."""
    against = f"against {report.champion}" if report.champion else "nothing serves yet"
    title = f"Gates: version {report.version}"
    summary = "".join(
        f"<tr><td>{escape(f.gate)}</td><td>{_verdict(f.verdict)}</td>"
        f"<td>{escape(f.measured)}</td><td>{escape(f.wanted)}</td></tr>"
        for f in report.findings
    )
    return (
        f'<!doctype html><html lang="en"><head><meta charset="utf-8"><title>{title}</title>'
        f"<style>{_STYLE}</style></head><body><h1>{title}: {_verdict(report.verdict)}</h1>"
        f"<p>{escape(str(report.release))}, {escape(against)}. {escape(rows_told(report))}</p>"
        f"<p>Report <code>{digest}</code></p>"
        "<table><tr><th>gate</th><th>verdict</th><th>measured</th><th>wanted</th></tr>"
        f"{summary}</table>{''.join(map(_section, report.findings))}</body></html>\n"
    )


def rows_told(report: Report) -> str:
    """Say which rows have judged, how often they have before, and whose data they are of."""
    if report.rows_sha256 is None:
        return "No rows were known to judge it on."
    count = report.judged_before
    others = "no other version" if not count else f"{count} other version{'s' if count > 1 else ''}"
    told = f"The rows left out of data {report.rows_sha256[:12]}… have judged {others}."
    return f"{told} {report.other_data}".rstrip()


def _section(finding: Finding) -> str:
    figure = _figure(finding.measures, _COLOURS[finding.verdict]) if finding.measures else ""
    listings = "".join(map(_listing, finding.listings))
    return (
        f"<h2>{escape(finding.gate)}: {_verdict(finding.verdict)}</h2>"
        f"<p>{escape(finding.sentence)}.</p>{figure}{listings}"
    )


def _listing(listing: Listing) -> str:
    if not listing.rows:
        return f"<p>{escape(listing.title)}: none</p>"
    head = "".join(f"<th>{escape(name)}</th>" for name in listing.header)
    rows = "".join(
        f"<tr>{''.join(f'<td>{escape(cell)}</td>' for cell in row)}</tr>" for row in listing.rows
    )
    return f"<h3>{escape(listing.title)}</h3><table><tr>{head}</tr>{rows}</table>"


def _verdict(verdict: Verdict) -> str:
    return f'<b class="v" style="color:{_COLOURS[verdict]}">{verdict.value}</b>'


def _figure(measures: list[Measure], colour: str) -> str:
    """Draw each measure as a dot on the bar between its bounds, and its limit as a dashed line."""
    points = [p for m in measures for p in (m.low, m.value, m.high, m.limit) if p is not None]
    low, high = min([*points, 0.0]), max(points)
    scale = (_WIDTH - _LEFT - 60) / ((high - low) or 1.0)

    def x(value: float) -> str:
        return f"{_LEFT + 20 + (value - low) * scale:.1f}"

    parts = [_mark(m, x, _LINE * (row + 1), colour) for row, m in enumerate(measures)]
    height = _LINE * (len(measures) + 1)
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" role="img" width="{_WIDTH}" height="{height}" '
        f'viewBox="0 0 {_WIDTH} {height}" font-size="13"><title>Estimates with their bounds; '
        f"dashed: the limit</title>{''.join(parts)}</svg>"
    )


def _mark(measure: Measure, x: Callable[[float], str], y: int, colour: str) -> str:
    limit = (
        f'<line x1="{x(measure.limit)}" x2="{x(measure.limit)}" y1="{y - 12}" y2="{y + 12}" '
        'stroke="#c62828" stroke-dasharray="4 3"/>'
        if measure.limit is not None
        else ""
    )
    return (
        f'<text x="0" y="{y + 4}">{escape(measure.name)}</text>'
        f'<line x1="{x(measure.low)}" x2="{x(measure.high)}" y1="{y}" y2="{y}" '
        f'stroke="{colour}" stroke-width="3"/>'
        f'<circle cx="{x(measure.value)}" cy="{y}" r="5" fill="{colour}"/>{limit}'
        f'<text x="{x(measure.high)}" y="{y - 6}" font-size="11">{measure.value:.3f}</text>'
    )
