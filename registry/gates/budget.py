"""Budget: what a version costs, against what serves and against limits."""

from dataclasses import dataclass
from typing import NamedTuple

from registry.gates.evidence import Evidence
from registry.gates.findings import Finding, Listing, Verdict
from registry.gates.thresholds import BudgetLimits

MEGABYTE = 1e6


class _Item(NamedTuple):
    """One cost: too high past the limit, or past the champion's by ratio and by floor together."""

    name: str
    unit: str
    found: float
    before: float | None
    limit: float
    ratio: float
    floor: float

    @property
    def over(self) -> str:
        """What it is over; empty where it is not."""
        if self.found > self.limit:
            return f"{self.name} {self.found:.3g} {self.unit} is over {self.limit:g}"
        before = self.before
        if before is not None and self.found > max(before * self.ratio, before + self.floor):
            return f"{self.name} {self.found:.3g} {self.unit}, the champion's {before:.3g}"
        return ""


@dataclass(frozen=True)
class Budget:
    """It is not much slower or larger than the champion, and within the limits."""

    limits: BudgetLimits
    name = "budget"

    def judge(self, evidence: Evidence) -> Finding:
        """Fail where a cost is past its limit, or past the champion's by ratio and floor."""
        items = self._items(evidence)
        over = [item.over for item in items if item.over]
        p50, p99, size, load = (item.found for item in items)
        measured = f"p50 {p50:.3g} ms, p99 {p99:.3g} ms, {size:.3g} MB, loads in {load:.2g} s"
        wanted = (
            f"p50 {self.limits.p50_limit_ms:g} ms, p99 {self.limits.p99_limit_ms:g} ms; "
            f"{self.limits.slower:g} times the champion's"
        )
        rows = [
            [
                i.name,
                i.unit,
                f"{i.found:.3g}",
                "" if i.before is None else f"{i.before:.3g}",
                f"{i.limit:g}",
            ]
            for i in items
        ]
        listing = Listing("Costs", ["cost", "unit", "this", "champion", "limit"], rows)
        verdict = Verdict.FAIL if over else Verdict.PASS
        sentence = f"it costs too much: {'; '.join(over)}" if over else "every cost is in bounds"
        return Finding(self.name, verdict, sentence, measured, wanted, [], [listing])

    def _items(self, evidence: Evidence) -> list[_Item]:
        new, old, limits = evidence.cost, evidence.champion_cost, self.limits
        slow = (limits.slower, limits.slow_floor_ms)
        return [
            _Item("p50", "ms", new.p50_ms, old and old.p50_ms, limits.p50_limit_ms, *slow),
            _Item("p99", "ms", new.p99_ms, old and old.p99_ms, limits.p99_limit_ms, *slow),
            _Item(
                "file",
                "MB",
                new.size_bytes / MEGABYTE,
                old and old.size_bytes / MEGABYTE,
                limits.size_limit_mb,
                limits.larger,
                limits.size_floor_mb,
            ),
            _Item(
                "load",
                "s",
                new.load_s,
                old and old.load_s,
                limits.load_limit_s,
                limits.load_slower,
                limits.load_floor_s,
            ),
        ]
