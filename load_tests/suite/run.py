"""A run, phase by phase: what is right, what is sent, what became of it, what that says."""

import threading
import time
import uuid
from collections import Counter
from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import NamedTuple

import msgspec
import numpy as np

from load_tests.suite import answers, generators, objectives, operations, records, search, void
from load_tests.suite import profile as profiles
from load_tests.suite.answers import Sure
from load_tests.suite.errors import UsageError
from load_tests.suite.host import Host, Look, Observer, busy_s, described, own_s
from load_tests.suite.objectives import Measured
from load_tests.suite.plan import Plan
from load_tests.suite.profile import Phase, Profile
from load_tests.suite.questions import draw, questions
from load_tests.suite.records import Figures, Records
from load_tests.suite.report import GeneratorFigures, Run, StepTaken
from load_tests.suite.schedule import arrivals, counted
from load_tests.suite.screen import say
from load_tests.suite.search import Knee, State, Step

LOOK_S = 1.0
GRACE_S = 5.0
OPERATION_S = 60.0
"""What a promotion under load may take."""
STEP_WARM_UP_S = 1.0
NO_OVERLOAD = 0.95
"""Where so much of what is offered is served well, it was not too much."""
PLAIN_S = 2.0
"""How long the load goes on before the first of them, and after the last."""
BUSIEST = 90
"""The percentile from where on a second is one of the busiest."""


class Options(NamedTuple):
    """What the user asked for, beside the profile."""

    workers: int
    folder: Path
    model: list[Path]
    objectives: Path = objectives.FILE
    rate: float | None = None
    seconds: float | None = None
    knee: float | None = None
    promotions: int = 2


class Taken(NamedTuple):
    """What one stretch of load came to."""

    records: Records
    looks: list[Look]
    generator: GeneratorFigures
    limited: list[str]
    """Why the generators' side of it measured nothing."""
    restarted: list[str]
    """What of the service was started anew meanwhile."""


class Suite:
    """A profile before a service."""

    def __init__(self, profile: Profile, host: Host, options: Options) -> None:
        self._profile = profile
        self._host = host
        self._options = options
        self._wanted, self._limits = objectives.read(options.objectives, profile.name)
        self._wanted_below_knee, _ = objectives.read(options.objectives, "ramp")
        self._sure = known_answers(host, options.model)
        features = described(host).features
        self._questions = questions(self._sure.pool, features)
        self._steps: list[StepTaken] = []
        self._tried: list[Step] = []
        self._operations: list[operations.Operation] = []
        self._words: Counter[str] = Counter()
        say(f"what is right is known from {self._sure.by}")

    def run(self) -> Run:
        """Send what the profile says, and judge it."""
        match self._profile.kind:
            case "ramp":
                return self._ramp()
            case "overload":
                return self._overload()
            case "promote":
                return self._promote()
            case _:
                return self._judged(self._take(self._profile.phases))

    def plan(self, phases: Sequence[Phase]) -> Plan:
        """Decide everything that is sent."""
        profile, workers = self._profile, self._options.workers
        schedule = arrivals(phases, profile.mix)
        by_kind: dict[str, list[int]] = {}
        for index, question in enumerate(self._questions):
            by_kind.setdefault(question.kind, []).append(index)
        turns = dict.fromkeys(by_kind, 0)
        asks = []
        for arrival in schedule:
            own = by_kind[arrival.kind]
            asks.append(own[turns[arrival.kind] % len(own)])
            turns[arrival.kind] += 1
        return Plan(
            host=self._host.url,
            run=uuid.uuid4().hex[:12],
            in_flight=max(1, profile.in_flight // workers),
            deadline_ms=profile.deadline_ms,
            seconds=sum(phase.seconds for phase in phases),
            grace_s=GRACE_S,
            questions=self._questions,
            due=[arrival.due for arrival in schedule],
            asks=asks,
            expected=self._sure.expected,
        )

    def _take(
        self, phases: Sequence[Phase], beside: Callable[[float], None] | None = None
    ) -> Taken:
        """Put the phases on the service, and look at it; with `beside` it is over when that is."""
        plan = self.plan(phases)
        looks: list[Look] = []
        observer, over = Observer(self._host), threading.Event()
        watching: list[threading.Thread] = []

        def watch(began: float) -> None:
            while not over.wait(max(0.0, began + len(looks) * LOOK_S - time.monotonic())):
                looks.append(observer.look(time.monotonic() - began))
            looks.append(observer.look(time.monotonic() - began))

        def meanwhile(began: float) -> bool:
            watching.append(threading.Thread(target=watch, args=(began,), daemon=True))
            watching[0].start()
            if beside is not None:
                beside(began)
            return beside is not None

        wall, monotonic = time.time(), time.monotonic()
        looks.append(observer.look(0.0))
        busy = busy_s() - own_s()
        try:
            told = generators.run(plan, self._options.workers, self._options.folder, meanwhile)
        finally:
            over.set()
            for thread in watching:
                thread.join()
        passed = time.monotonic() - monotonic, time.time() - wall
        others = busy_s() - own_s() - busy - observer.cpu_s
        found = records.gather(plan, told)
        others_cpu = None if self._host.pid is None else max(0.0, others / passed[0])
        generator = _generator(found, self._options.workers, others_cpu)
        reason = objectives.is_limited([generator.cpu_share], generator.lag_ms, self._limits)
        limited = [*([reason] if reason else []), *void.of_clocks(*passed)]
        self._words.update(found.words)
        return Taken(found, looks, generator, limited, void.of_service(looks))

    def _judged(  # noqa: PLR0913  each kind of profile adds its own
        self,
        taken: Taken,
        phases: Sequence[Phase] | None = None,
        *,
        knee: float | None = None,
        words: str = "",
        done: tuple[int, int] | None = None,
        more_void: Sequence[str] = (),
    ) -> Run:
        phases = self._profile.phases if phases is None else phases
        spans, deadline = counted(phases), self._profile.deadline_ms
        found = records.figures(taken.records, spans, deadline)
        blocks = records.blocks(taken.records, spans, deadline)
        everywhere = records.figures(taken.records, _whole(phases), deadline)
        # A wrong answer is one, also in a warm-up and in a step of the search; in a ramp, what is
        # judged is such a step.
        wrong = sum(step.figures.wrong for step in self._steps)
        if self._profile.kind != "ramp":
            wrong += everywhere.wrong
        memory = [look.memory_mib for look in taken.looks if look.memory_mib is not None]
        measured = Measured(
            figures=msgspec.structs.replace(found, wrong=wrong),
            memory_mib=max(memory, default=None),
            memory_growth=growth(memory),
            latency_drift=growth([block.p50_ms for block in blocks]),
            knee=knee,
            operations=done,
        )
        return Run(
            profile=self._profile.name,
            title=self._profile.title,
            host=self._host.url,
            began=datetime.now(UTC).isoformat(timespec="seconds"),
            answers=self._sure.by,
            verdict=objectives.verdict(
                self._wanted,
                measured,
                [*more_void, *taken.limited, *taken.restarted],
                objectives.noise(taken.generator.others_cpu, self._limits),
            ),
            figures=measured.figures,
            phases=_by_phase(taken.records, phases, deadline),
            blocks=blocks,
            generator=taken.generator,
            words=dict(self._words),
            seconds=records.seconds(taken.records),
            looks=taken.looks,
            steps=self._steps,
            knee=words,
            operations=self._operations,
            changes=[],
        )

    def _ramp(self) -> Run:
        knee, best = self._search()
        words = self._knee_in_words(knee, best)
        step = self._step(knee.rate or self._tried[-1].rate)
        # That the generator was the limit above what is wanted is a result; below it there is none.
        undecided = search.is_undecided(self._tried, self._wanted.knee or 0.0)
        more = ["the generator was the limit below the knee that is wanted"] if undecided else []
        return self._judged(best, step, knee=knee.rate, words=words, more_void=more)

    def _overload(self) -> Run:
        more: list[str] = []
        words = ""
        rate = self._options.knee
        if rate is None:
            knee, best = self._search()
            rate, words = knee.rate, self._knee_in_words(knee, best)
            if knee.limited or not rate:
                more = ["the knee was not found, so nothing is twice as much: say KNEE="]
        phases = [
            msgspec.structs.replace(phase, rate=phase.rate * max(rate, 1.0))
            for phase in self._profile.phases
        ]
        taken = self._take(phases)
        found = self._figures(taken, phases)
        if found.goodput_share > NO_OVERLOAD:
            more.append(f"{found.rate:,.0f}/s is no overload: the knee is higher than was found")
        return self._judged(taken, phases, words=words, more_void=more)

    def _promote(self) -> Run:
        if self._host.home is None and self._host.environ.get("IRIS_TARGET") != "kubernetes":
            raise UsageError(
                "promotions need the home that serves: leave HOST out, or set IRIS_HOME to it; "
                "or IRIS_TARGET=kubernetes and what else `iris promote` needs there"
            )
        asked = operations.plan(self._host.environ, self._options.promotions)
        phases = self._profile.phases
        if self._options.seconds is None:
            seconds = OPERATION_S * len(asked)
            phases = profiles.scaled(self._profile, None, seconds).phases
        latest = sum(phase.seconds for phase in phases) - 1

        def operate(began: float) -> None:
            time.sleep(max(0.0, began + PLAIN_S - time.monotonic()))
            self._operations = operations.run(
                self._host.environ, asked, lambda: time.monotonic() - began, latest
            )
            time.sleep(PLAIN_S)

        taken = self._take(phases, operate)
        in_time = [done for done in self._operations if not done.failure and done.ended < latest]
        (phase,) = phases
        lasted = [msgspec.structs.replace(phase, seconds=taken.records.seconds)]
        return self._judged(taken, lasted, done=(len(in_time), len(asked)))

    def _search(self) -> tuple[Knee, Taken]:
        """Look for the knee; return it with what the highest step that held came to."""
        assert self._profile.search is not None
        asked = self._profile.search
        if self._options.rate is not None:
            asked = msgspec.structs.replace(asked, first=self._options.rate)
        by_rate: dict[float, Taken] = {}
        while (rate := search.next_rate(self._tried, asked)) is not None:
            state, taken = self._try(rate)
            if state is not State.HELD:  # once more: a moment's bad luck is no knee
                state, taken = self._try(rate)
            self._tried.append(Step(rate, state))
            by_rate[rate] = taken
        knee = search.knee(self._tried)
        return knee, by_rate.get(knee.rate) or by_rate[self._tried[-1].rate]

    def _try(self, rate: float) -> tuple[State, Taken]:
        taken = self._take(self._step(rate))
        found = self._figures(taken, self._step(rate))
        held = objectives.holds(self._wanted_below_knee, found) and not taken.restarted
        state = State.LIMITED if taken.limited else State.HELD if held else State.BROKEN
        self._steps.append(
            StepTaken(rate=rate, state=state.value, figures=found, generator=taken.generator)
        )
        say(f"{rate:8,.0f}/s  p99 {found.p99_ms:7.1f} ms  {state.value}")
        return state, taken

    def _step(self, rate: float) -> list[Phase]:
        """Return the phases of a step: what only begins is no steady load yet."""
        assert self._profile.search is not None
        begun = Phase("warm-up", rate, STEP_WARM_UP_S, counted=False)
        return [begun, Phase("step", rate, self._profile.search.seconds)]

    def _figures(self, taken: Taken, phases: Sequence[Phase]) -> Figures:
        return records.figures(taken.records, counted(phases), self._profile.deadline_ms)

    def _knee_in_words(self, knee: Knee, best: Taken) -> str:
        busiest = [look.busiest for look in best.looks if look.busiest]
        share = float(np.median(busiest)) if busiest else None
        return search.in_words(knee, self._options.workers, share)


def known_answers(host: Host, files: Sequence[Path]) -> Sure:
    """Return rows with what is right for them: by the files given, those of the home, or golden.

    Raises:
        HostFailed: nothing serves.
        UsageError: a file is none of ours.
    """
    served = described(host)
    pool = draw(served.features)
    if not files:
        files = _released(host.home)
    expected = answers.from_files(files, pool)
    if served.sha256 in expected:
        return Sure(pool, expected, f"{len(expected)} model file(s)")
    if served.golden.rows:
        return answers.from_golden(served)
    return Sure(pool, {}, "nothing")


def growth(values: Sequence[float]) -> float | None:
    """Return the median of the last quarter over that of the second; None: too few, or nothing."""
    quarter = len(values) // 4
    if not quarter:
        return None
    second = float(np.median(values[quarter : 2 * quarter]))
    return float(np.median(values[-quarter:])) / second if second else None


def _released(home: Path | None) -> list[Path]:
    """Return the model files in the store of a home."""
    return sorted((home / "store").glob("models/**/*.onnx")) if home else []


def _generator(found: Records, workers: int, others_cpu: float | None) -> GeneratorFigures:
    busiest = [_percentile(shares, BUSIEST) for shares in found.cpu]
    return GeneratorFigures(
        workers=workers,
        cpu_share=max(busiest, default=0.0),
        lag_ms=_percentile(found.lags_ms.tolist(), 99),
        most_in_flight=found.most_in_flight,
        others_cpu=others_cpu,
    )


def _percentile(values: Sequence[float], q: float) -> float:
    return float(np.percentile(values, q, method="higher")) if values else 0.0


def _whole(phases: Sequence[Phase]) -> list[tuple[float, float]]:
    return [(0.0, sum(phase.seconds for phase in phases))]


def _by_phase(found: Records, phases: Sequence[Phase], deadline_ms: float) -> dict[str, Figures]:
    by_name, began = {}, 0.0
    for phase in phases:
        span = (began, began + phase.seconds)
        by_name[phase.name] = records.figures(found, [span], deadline_ms)
        began += phase.seconds
    return by_name
