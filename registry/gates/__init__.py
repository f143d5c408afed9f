"""The gates: what a version must show before it may be promoted.

    integrity    the file is what was registered and published, and answers as its estimator did
    contract     clients see the same features, units and labels
    quality      it is right about as often as the champion, on rows that neither was trained on
    recall       no class is found less often
    calibration  its probabilities are as good
    budget       it is not much slower or larger
    replay       clients get about the same answers

A gate is an object with a `name` and `judge(evidence) -> Finding`: a rule without I/O. What they
look at is measured before (`evidence`, `registry.examination`). What each does: `docs/gates.md`.
"""

from typing import TYPE_CHECKING

from registry.gates.findings import Finding, Listing, Measure, Report, Verdict

if TYPE_CHECKING:
    from registry.gates.evidence import Evidence
    from registry.gates.panel import Gate
    from registry.gates.thresholds import Thresholds

__all__ = ["Finding", "Listing", "Measure", "Report", "Verdict", "judge", "panel"]


def judge(evidence: "Evidence", gates: "list[Gate]") -> list[Finding]:
    """Ask every gate, in its order."""
    return [gate.judge(evidence) for gate in gates]


def panel(thresholds: "Thresholds") -> "list[Gate]":
    """Return the gates with their limits: ours, then the project's own.

    Raises:
        SettingsError: a gate of the project's own can't be made.
    """
    from registry.gates.panel import make  # the models' library, which reading a report needs not

    return make(thresholds)
