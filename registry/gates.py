"""The gates: what a version must show before it may be promoted.

Each gate is a rule without I/O: it looks at the evidence, which was gathered before, and answers
with a verdict and one sentence. `GATES` is their list; a new gate is a function added to it.
"""

import enum
from collections.abc import Callable
from typing import Literal

import msgspec
import numpy as np

from artifacts.errors import ModelFileError
from artifacts.model import Model, ModelCard, load_model
from artifacts.release import Release
from registry.records import Stamp
from training.evaluation import SPLIT_SALT, Table, accuracy, held_out

ACCURACY_FLOOR = 0.80
"""No version that is right less often may serve, champion or not."""
ACCURACY_MARGIN = 0.05
"""How much less often than the champion it may be right: 3 of 60 rows."""
PARITY_LIMIT = 1e-5
"""The largest difference of a probability between file and estimator."""


class Verdict(enum.StrEnum):
    """What a gate says."""

    PASS = "pass"  # noqa: S105  no password
    FAIL = "fail"
    INCONCLUSIVE = "inconclusive"


class Finding(msgspec.Struct, frozen=True):
    """One gate's answer."""

    gate: str
    verdict: Verdict
    sentence: str


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

    @property
    def verdict(self) -> Verdict:
        """The worst of the verdicts."""
        given = {finding.verdict for finding in self.findings}
        order = (Verdict.FAIL, Verdict.INCONCLUSIVE, Verdict.PASS)
        return next(verdict for verdict in order if verdict in given)


class Evidence(msgspec.Struct, frozen=True):
    """What the gates look at: models that have been loaded and proven, and rows to ask them."""

    candidate: Model
    champion: Model | None
    """What serves; None where nothing does."""
    table: Table | None
    """The candidate's data, or else the champion's; None where none is known."""


def judge(
    file: bytes,
    sha256: str,
    champion: bytes | None,
    table: Callable[[str], Table | None],
    reference: str | None = None,
) -> list[Finding]:
    """Ask every gate. A file that is not whole is asked no further.

    Args:
        file: the candidate's release file, as MLflow holds it now.
        sha256: the digest that it had when it was registered.
        champion: the file that serves; None where nothing does.
        table: finds data by its digest.
        reference: the digest of rows that the candidate was measured on, where those that it was
            trained on are not known.
    """
    try:
        candidate = load_model(file, sha256)
        candidate.check_golden()
    except ModelFileError as error:
        return [Finding("integrity", Verdict.FAIL, error.message)]
    serving = None if champion is None else load_model(champion)
    known = [candidate.card.data_sha256, reference, serving.card.data_sha256 if serving else None]
    tables = (table(digest) for digest in known if digest)
    rows = next((found for found in tables if found is not None), None)
    evidence = Evidence(candidate, serving, rows)
    whole = Finding("integrity", Verdict.PASS, f"the file is whole: sha256 {sha256}")
    return [whole, *(gate(evidence) for gate in GATES)]


def parity(evidence: Evidence) -> Finding:
    """The file answers as the estimator that it was made from."""
    found = evidence.candidate.card.parity
    sentence = (
        f"{found.differing_labels} of {found.rows} labels differ from the estimator's, "
        f"probabilities by {found.largest_difference:.1e} at most ({PARITY_LIMIT:.0e} allowed)"
    )
    good = not found.differing_labels and 0 <= found.largest_difference <= PARITY_LIMIT
    return Finding("parity", Verdict.PASS if good else Verdict.FAIL, sentence)


def schema(evidence: Evidence) -> Finding:
    """Clients see the same features, units and labels, in the same order."""
    if evidence.champion is None:
        return Finding("schema", Verdict.PASS, "nothing serves yet, so there is none to keep to")
    new, old = evidence.candidate.card, evidence.champion.card
    if _contract(new) == _contract(old):
        return Finding("schema", Verdict.PASS, "features, units and labels are the champion's")
    changes = f"{_contract(old)} would become {_contract(new)}"
    return Finding("schema", Verdict.FAIL, f"clients would break: {changes}")


def quality(evidence: Evidence) -> Finding:
    """It is right often enough on rows it was not trained on, and not much less than before."""
    model = evidence.candidate
    if evidence.table is None or not _fits(model, evidence.table):
        return Finding("quality", Verdict.INCONCLUSIVE, "no data to judge it on is known")
    left_out = evidence.table.part(held_out(evidence.table))
    if not left_out.labels:
        return Finding("quality", Verdict.INCONCLUSIVE, "its data has no rows that are left out")
    found = _accuracy(model, left_out)
    sentence = f"right on {found:.1%} of {len(left_out.labels)} rows left out of training"
    if evidence.champion is not None and _fits(evidence.champion, left_out):
        before = _accuracy(evidence.champion, left_out)
        sentence += f", the champion on {before:.1%}"
        if found < before - ACCURACY_MARGIN:
            allowed = f"; {ACCURACY_MARGIN:.0%} less is allowed"
            return Finding("quality", Verdict.FAIL, sentence + allowed)
    if found < ACCURACY_FLOOR:
        return Finding("quality", Verdict.FAIL, f"{sentence}; {ACCURACY_FLOOR:.0%} is the least")
    if model.card.data_sha256 is None or model.card.split_salt != SPLIT_SALT:
        unknown = ", but it may have been trained on them: its training rows are not known"
        return Finding("quality", Verdict.INCONCLUSIVE, sentence + unknown)
    return Finding("quality", Verdict.PASS, sentence)


GATES: list[Callable[[Evidence], Finding]] = [parity, schema, quality]


def _contract(card: ModelCard) -> str:
    features = ", ".join(f"{f.name} [{f.unit}]" for f in card.features)
    return f"({features}) → {'/'.join(card.labels)}"


def _fits(model: Model, table: Table) -> bool:
    return {f.name for f in model.card.features} <= set(table.features)


def _accuracy(model: Model, table: Table) -> float:
    rows = table.columns([f.name for f in model.card.features])
    best = np.argmax(model.predict(rows), axis=1)
    return accuracy(table.labels, [model.card.labels[i] for i in best])
