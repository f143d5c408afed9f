"""Replay: what the champion really served, sent through the challenger."""

import datetime as dt
from collections import Counter
from dataclasses import dataclass

import numpy as np

from registry.gates.evidence import Evidence, Served, ServedRequest
from registry.gates.findings import Finding, Listing, Measure, Verdict
from registry.gates.statistics import share_bounds
from registry.gates.thresholds import ReplayLimits

_MOST_LISTED = 10


@dataclass(frozen=True)
class Replay:
    """Clients get about the same answers as before."""

    limits: ReplayLimits
    name = "replay"

    def judge(self, evidence: Evidence) -> Finding:
        """Bound the share of a request's answers that change. A request counts once."""
        if evidence.champion is None:
            return self._none("nothing serves yet")
        served = evidence.served
        if served is None:
            return self._none("nothing that the champion served was kept")
        young = self._young(served)
        if len(served.requests) < self.limits.minimum_requests:
            return self._none(
                f"the champion's {len(served.requests)} kept requests are fewer than "
                f"{self.limits.minimum_requests}{_skipped(served)}"
            )
        if len(young) < self.limits.minimum_requests:
            sentence = (
                f"only {len(young)} of {len(served.requests)} kept requests are younger than "
                f"{self.limits.oldest_days:g} days{_skipped(served)}"
            )
            return Finding(self.name, Verdict.INCONCLUSIVE, sentence)
        return self._judge(served, young)

    def _judge(self, served: Served, young: list[ServedRequest]) -> Finding:
        shares = [float((r.before.labels != r.after.labels).mean()) for r in young]
        mean, limit = float(np.mean(shares)), self.limits.changed_limit
        low, high = share_bounds(mean, len(young), self.limits.confidence)
        changed = Measure("changed answers", low, mean, high, limit)
        sentence = {
            Verdict.PASS: f"{high:.1%} of answers change at most",
            Verdict.FAIL: f"{low:.1%} of answers change at least",
            Verdict.INCONCLUSIVE: f"between {low:.1%} and {high:.1%} of answers change",
        }[changed.stays_below]
        measured = f"{mean:.1%} of answers changed, in {len(young)} requests"
        return Finding(
            self.name,
            changed.stays_below,
            sentence + _skipped(served),
            measured,
            f"{limit:.0%} at most, {self.limits.confidence:.0%} sure",
            [changed],
            [_shifts(young), _changes(young), _most_changed(young, served.features)],
        )

    def _young(self, served: Served) -> list[ServedRequest]:
        oldest = served.now - dt.timedelta(days=self.limits.oldest_days)
        return [request for request in served.requests if request.at >= oldest]

    def _none(self, sentence: str) -> Finding:
        return Finding(self.name, Verdict.NOT_APPLICABLE, sentence)


def _skipped(served: Served) -> str:
    parts = [
        f"{served.damaged} damaged batches were skipped" if served.damaged else "",
        f"{served.foreign} batches lack features of it" if served.foreign else "",
    ]
    return "".join(f"; {part}" for part in parts if part)


def _shifts(requests: list[ServedRequest]) -> Listing:
    """Say how far the mean probability of each class moves."""
    rows = []
    for label in requests[0].before.classes:
        before = np.concatenate([r.before.of(label) for r in requests]).mean()
        after = np.concatenate([r.after.of(label) for r in requests]).mean()
        rows.append([label, f"{before:.4f}", f"{after:.4f}", f"{after - before:+.4f}"])
    return Listing("Mean probability by class", ["class", "before", "after", "shift"], rows)


def _changes(requests: list[ServedRequest]) -> Listing:
    pairs = Counter(
        (str(old), str(new))
        for r in requests
        for old, new in zip(r.before.labels, r.after.labels, strict=True)
        if old != new
    )
    rows = [[old, new, str(count)] for (old, new), count in pairs.most_common(_MOST_LISTED)]
    return Listing("Changed answers", ["before", "after", "rows"], rows)


def _most_changed(requests: list[ServedRequest], features: list[str]) -> Listing:
    """List the rows whose probabilities move most, each once."""
    found: dict[tuple[float, ...], tuple[float, str, str]] = {}
    for r in requests:
        shift = np.max([np.abs(r.before.of(c) - r.after.of(c)) for c in r.before.classes], axis=0)
        for row, moved, old, new in zip(
            r.rows, shift, r.before.labels, r.after.labels, strict=True
        ):
            found[tuple(row.tolist())] = (float(moved), str(old), str(new))
    most = sorted(found.items(), key=lambda item: -item[1][0])[:_MOST_LISTED]
    rows = [[*map(repr, row), old, new, f"{moved:.4f}"] for row, (moved, old, new) in most]
    return Listing("Rows that change most", [*features, "before", "after", "shift"], rows)
