"""Quality, recall and calibration: both models on rows that neither was trained on.

Where the candidate's data is not the champion's, on the rows of both. On its own alone a model
passes that learned wrong labels, since its rows have them too.
"""

from abc import ABC, abstractmethod
from dataclasses import dataclass

import msgspec
import numpy as np

from registry.gates.evidence import Compared, Evidence
from registry.gates.findings import WORST_FIRST, Finding, Measure, Verdict
from registry.gates.statistics import (
    least_loss_seen,
    loss_bounds,
    mean_bounds,
    rate_bounds,
    rows_needed,
)
from registry.gates.thresholds import CalibrationLimits, QualityLimits, RecallLimits

NO_ROWS = "no data to judge it on is known: nobody kept rows that training leaves out"


class _OnRows(ABC):
    """A gate that looks at the rows, and at nothing else."""

    name: str

    def judge(self, evidence: Evidence) -> Finding:
        """Give its verdict as far as the rows can prove it."""
        if evidence.rows is None:
            return Finding(self.name, Verdict.INCONCLUSIVE, NO_ROWS)
        found = self._proven(evidence.rows)
        if evidence.champion_rows is not None:
            return _worse(self._proven(evidence.champion_rows), found)
        if not evidence.champion_rows_missing:
            return found
        found = _on("its own data", found)
        passes = found.verdict is Verdict.PASS
        return _unsure(found, evidence.champion_rows_missing) if passes else found

    def _proven(self, rows: Compared) -> Finding:
        return _unsure_if_known(self._look(rows), rows)

    @abstractmethod
    def _look(self, rows: Compared) -> Finding:
        """Give the verdict for rows that neither model was trained on."""


@dataclass(frozen=True)
class Quality(_OnRows):
    """It is right about as often as the champion: not less by the margin, and above the floor."""

    limits: QualityLimits
    name = "quality"

    def _look(self, rows: Compared) -> Finding:
        """Compare row by row; without a champion, hold it against the floor."""
        found = self._floor(rows)
        if rows.champion is None or found.verdict is Verdict.FAIL:
            return found
        return self._paired(rows)

    def _floor(self, rows: Compared) -> Finding:
        right, total, floor = int(rows.right.sum()), len(rows.labels), self.limits.accuracy_floor
        low, high = rate_bounds(right, total, self.limits.confidence)
        accuracy = Measure("accuracy", low, right / total, high, floor)
        sentence = {
            Verdict.PASS: f"it is right on {low:.1%} of rows at least",
            Verdict.FAIL: f"it is right on {high:.1%} of rows at most, not on {floor:.0%}",
            Verdict.INCONCLUSIVE: f"{total} rows leave it between {low:.1%} and {high:.1%}, on "
            f"both sides of {floor:.0%}",
        }[accuracy.stays_above]
        measured = f"right on {right} of {total} rows: {low:.1%} to {high:.1%}"
        wanted = f"{floor:.0%} of rows right"
        return Finding(self.name, accuracy.stays_above, sentence, measured, wanted, [accuracy])

    def _paired(self, rows: Compared) -> Finding:
        margin, sure, total = self.limits.margin, self.limits.confidence, len(rows.labels)
        lost = int((rows.champion_right & ~rows.right).sum())
        won = int((rows.right & ~rows.champion_right).sum())
        low, high = loss_bounds(lost, won, total, sure)
        measured = f"{lost} rows lost, {won} won of {total}: {_span(low, high)}"
        wanted = f"a loss within {_points(margin)}, {sure:.0%} sure"
        loss = Measure("loss of accuracy", low, (lost - won) / total, high, margin)
        verdict = Verdict.PASS if rows.same_everywhere else loss.stays_below
        if rows.same_everywhere:
            sentence = "it gives the champion's label to every row left out, and to a whole grid"
        elif verdict is Verdict.PASS and high < 0:
            sentence = f"it is better than the champion by {_points(-high)} at least"
        elif verdict is Verdict.PASS:
            sentence = f"it loses {_points(high)} to the champion at most"
        elif verdict is Verdict.FAIL:
            sentence = f"it loses {_points(low)} to the champion at least"
        else:
            shown = loss_bounds(0, 0, total, sure)[1]
            needed = rows_needed(lost, won, total, margin, sure)
            sentence = (
                f"it is {_span(low, high)}; {total} rows can show a loss within {_points(shown)} "
                f"at the smallest, and about {max(needed, total + 1)} are needed"
            )
        return Finding(self.name, verdict, sentence, measured, wanted, [loss])


@dataclass(frozen=True)
class Recall(_OnRows):
    """No class is found less often than before, as far as its rows can tell."""

    limits: RecallLimits
    name = "recall"

    def _look(self, rows: Compared) -> Finding:
        """Fail on evidence against one class, with the confidence shared among all classes."""
        classes = sorted(set(rows.labels))
        sure = 1 - (1 - self.limits.confidence) / len(classes)  # Bonferroni
        measures = [self._measure(rows, label, sure) for label in classes]
        paired = rows.champion is not None
        bad = [m for m in measures if _beyond(m, paired=paired)]
        limit = self.limits.tolerance if paired else self.limits.floor
        worst = max(bad or measures, key=lambda m: m.value if paired else -m.value)
        if paired:
            wanted = f"no class shown to lose more than {_points(limit)}"
            measured = f"worst: {worst.name}, {_span(worst.low, worst.high)}"
        else:
            wanted = f"no class shown to be found less than {limit:.0%}"
            measured = f"worst: {worst.name}, {worst.low:.1%} to {worst.high:.1%} found"
        if bad:
            verdict = Verdict.FAIL
            sentence = f"evidence of loss: {', '.join(_said(m, paired=paired) for m in bad)}"
        else:
            verdict = Verdict.PASS
            sentence = self._not_shown(worst, paired=paired)
            sentence += f"; {self._unseen(rows, classes, sure)}"
        return Finding(self.name, verdict, sentence, measured, wanted, measures)

    def _measure(self, rows: Compared, label: str, sure: float) -> Measure:
        inside = np.array(rows.labels) == label
        total, right = int(inside.sum()), rows.right[inside]
        if rows.champion is None:
            low, high = rate_bounds(int(right.sum()), total, sure)
            return Measure(label, low, float(right.mean()), high, self.limits.floor)
        before = rows.champion_right[inside]
        lost, won = int((before & ~right).sum()), int((right & ~before).sum())
        low, high = loss_bounds(lost, won, total, sure)
        return Measure(label, low, (lost - won) / total, high, self.limits.tolerance)

    def _not_shown(self, worst: Measure, *, paired: bool) -> str:
        if not paired:
            return f"no class is shown to be found less than {self.limits.floor:.0%}"
        shown = f"no class is shown to lose more than {_points(self.limits.tolerance)}"
        if worst.value <= self.limits.tolerance:
            return shown
        return f"{shown}: {worst.name} lost {_points(worst.value)} in these rows, perhaps by chance"

    def _unseen(self, rows: Compared, classes: list[str], sure: float) -> str:
        fewest = min(classes, key=rows.labels.count)
        total = rows.labels.count(fewest)
        if rows.champion is None:
            return f"the fewest rows are {total}, of {fewest}"
        seen = least_loss_seen(total, self.limits.tolerance, sure)
        if seen is None:
            return f"{total} rows of {fewest} could not have shown any loss"
        return f"a loss under {_points(seen)} in {fewest} ({total} rows) could not have been seen"


@dataclass(frozen=True)
class Calibration(_OnRows):
    """Its probabilities are about as good as the champion's, by the Brier score."""

    limits: CalibrationLimits
    name = "calibration"

    def _look(self, rows: Compared) -> Finding:
        """Fail on evidence that the score got worse; without a champion, that it is too bad."""
        score, paired = rows.candidate.brier(rows.labels), rows.champion is not None
        limit = self.limits.tolerance if paired else self.limits.brier_limit
        if rows.champion is not None:
            score = score - rows.champion.brier(rows.labels)
        least = -2.0 if paired else 0.0
        low, high = mean_bounds(score, least, 2.0, self.limits.confidence)
        what = "change of the Brier score" if paired else "Brier score"
        sign = "+" if paired else ""
        measured = f"{what} {score.mean():{sign}.3f}, from {low:{sign}.3f} to {high:{sign}.3f}"
        wanted = f"no evidence of more than {limit:g}"
        found = Measure(what, low, float(score.mean()), high, limit)
        if found.stays_below is Verdict.FAIL:
            verdict, sentence = Verdict.FAIL, f"evidence of loss: the {what} is {low:.3f} at least"
        else:
            verdict, total = Verdict.PASS, len(rows.labels)
            seen = _least_mean_seen(total, least, limit, self.limits)
            sentence = (
                f"no evidence of loss; a {what} under {seen:.2f} could not have been seen on "
                f"{total} rows"
            )
        return Finding(self.name, verdict, sentence, measured, wanted, [found])


def _least_mean_seen(rows: int, least: float, limit: float, limits: CalibrationLimits) -> float:
    """Return the smallest rise that would fail, if every row had the same: the best of cases."""
    low, high = limit, 2.0
    for _ in range(12):
        middle = (low + high) / 2
        bound = mean_bounds(np.full(rows, middle), least, 2.0, limits.confidence)[0]
        low, high = (low, middle) if bound > limit else (middle, high)
    return high


def _unsure_if_known(found: Finding, rows: Compared) -> Finding:
    """Take back what rows cannot prove that a model may have been trained on."""
    if rows.candidate_may_know and found.verdict is Verdict.PASS:
        why = "it may have been trained on these rows: its training rows are not known"
    elif rows.champion_may_know and found.verdict is Verdict.FAIL and rows.champion is not None:
        why = "the champion may have been trained on these rows, which favours it"
    else:
        return found
    return _unsure(found, why)


def _unsure(found: Finding, why: str) -> Finding:
    return msgspec.structs.replace(
        found, verdict=Verdict.INCONCLUSIVE, sentence=f"{found.sentence}; but {why}"
    )


def _on(data: str, found: Finding) -> Finding:
    """Let a finding say which data it speaks of."""
    measures = [msgspec.structs.replace(m, name=f"{m.name}, {data}") for m in found.measures]
    return msgspec.structs.replace(
        found,
        sentence=f"on {data}, {found.sentence}",
        measured=f"on {data}: {found.measured}",
        measures=measures,
    )


def _worse(on_champions: Finding, on_its_own: Finding) -> Finding:
    """Return the worse of two findings, with what the other says; the champion's data if equal."""
    both = [_on("the champion's data", on_champions), _on("its own data", on_its_own)]
    worse, other = sorted(both, key=lambda found: WORST_FIRST.index(found.verdict))
    return msgspec.structs.replace(
        worse,
        sentence=f"{worse.sentence}; {other.sentence}",
        measures=[*worse.measures, *other.measures],
    )


def _beyond(measure: Measure, *, paired: bool) -> bool:
    return (measure.stays_below if paired else measure.stays_above) is Verdict.FAIL


def _said(measure: Measure, *, paired: bool) -> str:
    if paired:
        return f"{measure.name} loses {_points(measure.low)} at least"
    return f"{measure.high:.1%} of {measure.name} are found at most"


def _span(low: float, high: float) -> str:
    """Say between which bounds a loss lies: below 0 it is a gain."""
    least, most = _points(abs(low)), _points(abs(high))
    if high < 0:
        return f"from {most} to {least} better"
    if low > 0:
        return f"from {least} to {most} worse"
    return f"from {least} better to {most} worse"


def _points(share: float) -> str:
    return f"{share * 100:.1f} points"
