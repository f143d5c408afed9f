"""What gates say, and the report that is kept of it. Plain values: reading one imports no model."""

import enum
from typing import Literal

import msgspec

from artifacts.release import Release
from registry.records import Stamp


class Verdict(enum.StrEnum):
    """What a gate says."""

    PASS = "pass"  # noqa: S105  no password
    FAIL = "fail"
    INCONCLUSIVE = "inconclusive"
    NOT_APPLICABLE = "not applicable"


WORST_FIRST = (Verdict.FAIL, Verdict.INCONCLUSIVE, Verdict.PASS)
"""A gate that does not apply says nothing, and has no place in it."""


class Measure(msgspec.Struct, frozen=True):
    """One thing that was measured, with its bounds, and the limit it was held against."""

    name: str
    low: float
    value: float
    high: float
    limit: float | None = None

    @property
    def stays_below(self) -> Verdict:
        """Whether it is no more than the limit; inconclusive with the bounds on both sides."""
        assert self.limit is not None
        if self.high <= self.limit:
            return Verdict.PASS
        return Verdict.FAIL if self.low > self.limit else Verdict.INCONCLUSIVE

    @property
    def stays_above(self) -> Verdict:
        """Whether it is no less than the limit; inconclusive with the bounds on both sides."""
        assert self.limit is not None
        if self.low >= self.limit:
            return Verdict.PASS
        return Verdict.FAIL if self.high < self.limit else Verdict.INCONCLUSIVE


class Listing(msgspec.Struct, frozen=True):
    """A small table of what a gate saw."""

    title: str
    header: list[str]
    rows: list[list[str]]


class Finding(msgspec.Struct, frozen=True):
    """One gate's answer. Fields after `sentence` came later, and are empty in older reports."""

    gate: str
    verdict: Verdict
    sentence: str
    measured: str = ""
    wanted: str = ""
    measures: list[Measure] = []
    """For the figure."""
    listings: list[Listing] = []


class Report(msgspec.Struct, frozen=True, kw_only=True):
    """What all gates said of one version, and against what it was made.

    The report is void as soon as another record follows `head`.
    """

    schema: Literal[1] = 1
    version: int
    release: Release
    champion: Release | None
    head: Stamp | None
    findings: list[Finding]
    rows_sha256: str | None = None
    """The digest of the data whose rows judged; None where there was none."""
    judged_before: int = 0
    """How many other versions the same rows have judged: each makes a lucky pass likelier."""
    other_data: str = ""
    """In words, that its data is not the champion's, and which of them judged; empty: it is."""

    @property
    def verdict(self) -> Verdict:
        """The worst of the verdicts. A gate that does not apply says nothing."""
        given = {finding.verdict for finding in self.findings}
        return next((verdict for verdict in WORST_FIRST if verdict in given), Verdict.INCONCLUSIVE)

    @property
    def whole(self) -> bool:
        """Whether the file is what it claims to be: what nobody may overrule."""
        return all(f.verdict is not Verdict.FAIL for f in self.findings if f.gate == "integrity")
