"""Integrity and contract: is it the file that was registered, and do clients see the same?"""

from dataclasses import dataclass

from artifacts.model import ModelCard
from registry.gates.evidence import Evidence
from registry.gates.findings import Finding, Verdict
from registry.gates.thresholds import IntegrityLimits


@dataclass(frozen=True)
class Integrity:
    """The file is what was registered and published, and answers as its estimator did."""

    limits: IntegrityLimits
    name = "integrity"

    def judge(self, evidence: Evidence) -> Finding:
        """Fail where digests differ, or parity is not recorded within its limit."""
        parity, limit = evidence.candidate.card.parity, self.limits.parity
        measured = (
            f"{parity.differing_labels} of {parity.rows} labels differ, probabilities by "
            f"{parity.largest_difference:.1e} at most"
        )
        wanted = f"equal digests; no label differs, probabilities by {limit:.0e}"
        if evidence.published not in (None, evidence.registered):
            sentence = (
                f"another file is published under its name already: sha256 {evidence.published}; "
                "if no environment ever released it (iris history), move it away, else register "
                "the model once more, for another number"
            )
        elif parity.rows < 1:
            sentence = "it was never compared with the estimator that it was made from"
        elif parity.differing_labels or not 0 <= parity.largest_difference <= limit:
            sentence = "the file answers otherwise than the estimator that it was made from"
        else:
            whole = f"the file is whole and answers as its estimator: sha256 {evidence.registered}"
            return Finding(self.name, Verdict.PASS, whole, measured, wanted)
        return Finding(self.name, Verdict.FAIL, sentence, measured, wanted)


@dataclass(frozen=True)
class Contract:
    """Clients see the same features, units and labels, in the same order."""

    name = "contract"

    def judge(self, evidence: Evidence) -> Finding:
        """Fail where the contract changes and nobody has said why it may."""
        new = evidence.candidate.card
        if evidence.champion is None:
            sentence = "nothing serves yet, so there is no contract to keep"
            return Finding(self.name, Verdict.NOT_APPLICABLE, sentence, _size(new))
        old = evidence.champion.card
        measured, wanted = _contract(new), _contract(old)
        if measured == wanted:
            sentence = "features, units and labels are the champion's, in the same order"
            return Finding(self.name, Verdict.PASS, sentence, _size(new), "the champion's")
        change = f"{wanted} becomes {measured}"
        allowed = evidence.contract_change
        if allowed:
            sentence = f"the contract changes, as was allowed ({allowed}): {change}"
            return Finding(self.name, Verdict.PASS, sentence, "another contract", "allowed")
        sentence = f"clients would break: {change}; --allow-contract-change says why it may"
        return Finding(self.name, Verdict.FAIL, sentence, "another contract", "the champion's")


def _contract(card: ModelCard) -> str:
    features = ", ".join(f"{f.name} [{f.unit}]" for f in card.features)
    return f"({features}) → {'/'.join(card.labels)}"


def _size(card: ModelCard) -> str:
    return f"{len(card.features)} features, {len(card.labels)} labels"
