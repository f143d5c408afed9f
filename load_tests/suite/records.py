"""What became of every request of a run, in columns, and the figures that are made of it."""

from collections.abc import Sequence
from dataclasses import dataclass

import msgspec
import numpy as np
from numpy.typing import NDArray

from load_tests.suite.checking import Outcome
from load_tests.suite.plan import Plan, Told

BLOCKS = 10
"""Into so many stretches a run is cut to see how much its figures vary by themselves."""
PERCENTILES = {"p50_ms": 50, "p95_ms": 95, "p99_ms": 99}

Spans = Sequence[tuple[float, float]]


@dataclass(frozen=True)
class Records:
    """A column each; a row is a request. Times are seconds from the start."""

    seconds: float
    """How long the load was."""
    due: NDArray[np.float64]
    sent: NDArray[np.float64]
    done: NDArray[np.float64]
    outcome: NDArray[np.int8]
    release: NDArray[np.int16]
    releases: list[tuple[str, str]]
    words: dict[str, int]
    lags_ms: NDArray[np.float64]
    cpu: list[list[float]]
    """Of each generator, the share of a core that it took each second."""
    most_in_flight: int

    @property
    def latency_ms(self) -> NDArray[np.float64]:
        """From when a request was due; so what waits to be sent has waited, too."""
        return (self.done - self.due) * 1000

    def within(self, spans: Spans) -> NDArray[np.bool_]:
        """Return which requests were due in one of the spans."""
        found = np.zeros(len(self.due), dtype=np.bool_)
        for began, ended in spans:
            found |= (self.due >= began) & (self.due < ended)
        return found


class Figures(msgspec.Struct, frozen=True, kw_only=True):
    """What a run, or a part of one, comes to."""

    requests: int
    seconds: float
    rate: float
    """Requests that were due a second."""
    p50_ms: float
    p95_ms: float
    p99_ms: float
    """Of all requests but those shed; one without an answer took as long as was waited for it."""
    error_share: float
    """Of the requests: no answer, one that says that something failed, or not sent in time."""
    shed_share: float
    """Of the requests: refused because there was too much to do."""
    goodput_share: float
    """Of the requests: answered rightly within the deadline."""
    goodput: float
    """The same, a second."""
    judged: int
    """Answers that were compared with what is right."""
    unjudged: int
    wrong: int
    late: int
    """Requests that were sent more than 10 ms after they were due."""


def gather(plan: Plan, told: Sequence[Told]) -> Records:
    """Put the columns of all generators together, in the order of the plan.

    Where the load was over before the plan, what would have been due later is no part of it.
    """
    count, of = len(plan.due), len(told)
    ended = min((each.ended for each in told), default=plan.seconds)
    due = np.array(plan.due)
    sent, done = np.empty(count), np.empty(count)
    outcome, release = np.empty(count, np.int8), np.full(count, -1, np.int16)
    releases: dict[tuple[str, str], int] = {}
    words: dict[str, int] = {}
    for number, each in enumerate(told):
        sent[number::of] = np.frombuffer(each.sent)
        done[number::of] = np.frombuffer(each.done)
        outcome[number::of] = np.frombuffer(each.outcome, np.int8)
        index = [releases.setdefault((v, s), len(releases)) for v, s in each.releases]
        own = np.frombuffer(each.release, np.int8)
        release[number::of] = np.array([*index, -1], np.int16)[own]
        for text, times in each.words.items():
            words[text] = words.get(text, 0) + times
    never = done < 0
    done[never] = np.maximum(ended + plan.grace_s, due[never])
    sent_on = due < ended
    return Records(
        seconds=ended,
        due=due[sent_on],
        sent=sent[sent_on],
        done=done[sent_on],
        outcome=outcome[sent_on],
        release=release[sent_on],
        releases=list(releases),
        words=words,
        lags_ms=np.concatenate([np.array(each.lags_ms) for each in told]),
        cpu=[each.cpu for each in told],
        most_in_flight=max((each.most_in_flight for each in told), default=0),
    )


def figures(records: Records, spans: Spans, deadline_ms: float) -> Figures:
    """Return what the requests that were due within the spans come to."""
    chosen = records.within(spans)
    latency, outcome = records.latency_ms[chosen], records.outcome[chosen]
    seconds = sum(ended - began for began, ended in spans)
    requests = len(outcome)
    wrong = _count(outcome, Outcome.WRONG)
    right = _count(outcome, Outcome.RIGHT)
    good = int(((outcome <= Outcome.UNJUDGED) & (latency <= deadline_ms)).sum())
    failed = _count(outcome, Outcome.ERROR) + _count(outcome, Outcome.UNSENT)
    answered = latency[outcome != Outcome.SHED]
    waited = records.sent[chosen] - records.due[chosen] > 0.01
    return Figures(
        requests=requests,
        seconds=seconds,
        rate=requests / seconds if seconds else 0.0,
        **{name: _percentile(answered, q) for name, q in PERCENTILES.items()},
        error_share=failed / max(1, requests),
        shed_share=_count(outcome, Outcome.SHED) / max(1, requests),
        goodput_share=good / max(1, requests),
        goodput=good / seconds if seconds else 0.0,
        judged=right + wrong,
        unjudged=_count(outcome, Outcome.UNJUDGED),
        wrong=wrong,
        late=int(waited.sum()),
    )


def blocks(records: Records, spans: Spans, deadline_ms: float) -> list[Figures]:
    """Return the figures of stretches of equal length, one after the other."""
    return [figures(records, [span], deadline_ms) for span in cut(spans, BLOCKS)]


def cut(spans: Spans, parts: int) -> list[tuple[float, float]]:
    """Cut spans into about so many stretches of about the same length, none across a gap."""
    length = sum(ended - began for began, ended in spans) / parts
    found: list[tuple[float, float]] = []
    for began, ended in spans:
        count = max(1, round((ended - began) / length)) if length else 1
        step = (ended - began) / count
        found += [(began + i * step, began + (i + 1) * step) for i in range(count)]
    return found


class Second(msgspec.Struct, frozen=True, kw_only=True):
    """A second of a run, for the plots."""

    at: int
    due: int
    good: int
    shed: int
    failed: int
    wrong: int
    p50_ms: float
    p95_ms: float
    p99_ms: float
    releases: dict[str, int]
    """How many answers came from which version."""


def seconds(records: Records) -> list[Second]:
    """Return what became of the requests that were due in each second."""
    found = []
    order = np.argsort(records.due, kind="stable")
    due, latency = records.due[order], records.latency_ms[order]
    outcome, release = records.outcome[order], records.release[order]
    last = int(due[-1]) if len(due) else -1
    edges = np.searchsorted(due, np.arange(last + 2))
    for at in range(last + 1):
        part = slice(edges[at], edges[at + 1])
        kinds = outcome[part]
        answered = latency[part][kinds != Outcome.SHED]
        by = release[part]
        found.append(
            Second(
                at=at,
                due=len(kinds),
                good=int((kinds <= Outcome.UNJUDGED).sum()),
                shed=_count(kinds, Outcome.SHED),
                failed=_count(kinds, Outcome.ERROR) + _count(kinds, Outcome.UNSENT),
                wrong=_count(kinds, Outcome.WRONG),
                **{name: _percentile(answered, q) for name, q in PERCENTILES.items()},
                releases={
                    f"{version} ({sha256[:8]})": int((by == index).sum())
                    for index, (version, sha256) in enumerate(records.releases)
                    if (by == index).any()
                },
            )
        )
    return found


def _count(outcome: NDArray[np.int8], which: Outcome) -> int:
    return int((outcome == which).sum())


def _percentile(values: NDArray[np.float64], q: float) -> float:
    """Return a value that was measured, the higher of two; 0 where nothing was."""
    return float(np.percentile(values, q, method="higher")) if len(values) else 0.0
