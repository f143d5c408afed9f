"""`make bench`, which is `python -m load_tests.benchmark`: the whole run, phase by phase."""

import os
import signal
import sys
import tempfile
import time
from collections import defaultdict
from contextlib import ExitStack
from pathlib import Path

from load_tests.benchmark import (
    environments,
    experiments,
    machine,
    ours,
    plot,
    report,
    schedule,
    settings,
    wrk,
)
from load_tests.benchmark.errors import BenchmarkError, SystemFailed
from load_tests.benchmark.figures import Start
from load_tests.benchmark.measurement import Bodies, Client, Point, Running, measure
from load_tests.benchmark.model import Pipeline, Request
from load_tests.benchmark.ports import free_ports
from load_tests.benchmark.schedule import Step, seconds_left, spoken
from load_tests.benchmark.screen import say
from load_tests.benchmark.service import Service
from load_tests.benchmark.settings import Load, Settings
from load_tests.benchmark.systems import OURS, SYSTEMS, Place, System

LOGS = Path(".bench/logs")
WARM_UP = Load(32, 1)
WARM_UP_S = 1
START_GUESS_S = 6.0
POINT_OVERHEAD_S = 0.5
EXPERIMENT_ROUNDS = 3  # in a full run; one in a quick one


def main() -> int:
    """Measure, report, and return the exit code."""
    signal.signal(signal.SIGTERM, _interrupt)
    try:
        chosen = settings.from_environ(os.environ)
        wrk.program()
        return _run(chosen)
    except BenchmarkError as error:
        sys.stderr.write(f"benchmark: {error}\n")
        return error.exit_code
    except KeyboardInterrupt:
        sys.stderr.write("\nbenchmark: interrupted; every process has ended\n")
        return 130


def _run(chosen: Settings) -> int:
    LOGS.mkdir(parents=True, exist_ok=True)
    LOGS.with_name(".gitignore").write_text("*\n")
    with ExitStack() as kept:
        folder = Path(kept.enter_context(tempfile.TemporaryDirectory(prefix="iris-bench-")))
        pythons = {name: environments.python_of(SYSTEMS[name].lock) for name in chosen.systems}
        described = machine.describe(chosen.systems)
        bench = Bench(chosen, folder, pythons)
        bench.prepare()
        interrupted = False
        try:
            bench.measure_all()
            bench.experiment()
        except KeyboardInterrupt:
            interrupted = True
        run = report.Run(
            machine=described,
            rounds=chosen.rounds,
            duration_s=chosen.duration_s,
            complete=not (interrupted or bench.failures),
            points=bench.points,
            starts=bench.starts,
            samples=bench.samples,
            failures=bench.failures,
        )
        _publish(run, chosen.results)
    if interrupted:
        raise KeyboardInterrupt
    return 0 if run.complete and not any(point.void for point in run.points) else 1


def _publish(run: report.Run, results: Path) -> None:
    results.parent.mkdir(parents=True, exist_ok=True)
    written = report.text(run)
    say(f"\n{written}")
    results.with_suffix(".md").write_text(written)
    report.write_json(run, results.with_suffix(".json"))
    plot.draw(run.results, results.with_suffix(".svg"))
    say(f"kept as {results.with_suffix('.md')}, .json and .svg")


class Bench:
    """The state of a run: what has been measured so far."""

    def __init__(self, chosen: Settings, folder: Path, pythons: dict[str, Path]) -> None:
        self._chosen = chosen
        self._folder = folder
        self._pythons = pythons
        self._pipeline = folder / "model.joblib"
        self._onnx = folder / "home" / ours.MODEL_FILE
        self._requests: dict[int, list[Request]] = {}
        self._taken: dict[str, list[float]] = defaultdict(list)
        self.points: list[Point] = []
        self.starts: list[Start] = []
        self.samples: list[experiments.Sample] = []
        self.failures: dict[str, str] = {}

    def prepare(self) -> None:
        """Fit the model, write the requests, and put our release in place."""
        pipeline = Pipeline()
        pipeline.save(self._pipeline)
        for rows in {load.rows for load in (*self._chosen.loads, WARM_UP)}:
            self._requests[rows] = pipeline.requests(rows)
        say("importing and promoting the model, as a user does")
        home = self._folder / "home"
        port, inference_port, _ = free_ports()
        ours.prepare(home, self._pipeline, ours.environ_of(home, port, inference_port))

    def measure_all(self) -> None:
        """Go through all rounds; a system that fails is left out from then on."""
        plan = schedule.steps(self._chosen.systems, self._chosen.rounds)
        for index, step in enumerate(plan):
            if step.system in self.failures:
                continue
            left = seconds_left(self._taken, plan[index:], self._guess())
            say(f"round {step.round}, {step.system}, {spoken(left)} left")
            began = time.monotonic()
            try:
                self._measure(step)
            except SystemFailed as error:
                self.failures[step.system] = str(error)
                say(f"  {step.system} failed: {error}")
            self._taken[step.system].append(time.monotonic() - began)

    def experiment(self) -> None:
        """Go through the experiments, with as many rounds; one that fails is left out."""
        ground = experiments.Ground(
            self._folder / "home", self._folder, LOGS.absolute(), self._bodies(SYSTEMS[OURS], 1)
        )
        for name in self._chosen.experiments:
            say(f"experiment: {name}")
            try:
                if name == "soak":
                    self.samples += experiments.soak(ground, self._chosen.soak_s)
                    continue
                measured = {"overload": experiments.overload, "instances": experiments.instances}
                rounds = EXPERIMENT_ROUNDS if self._chosen.rounds >= settings.ROUNDS else 1
                for round_ in range(1, rounds + 1):
                    self.samples += measured[name](ground, round_)
            except SystemFailed as error:
                self.failures[name] = str(error)
                say(f"  {name} failed: {error}")

    def _guess(self) -> float:
        return (
            START_GUESS_S
            + WARM_UP_S
            + len(self._chosen.loads) * (self._chosen.duration_s + POINT_OVERHEAD_S)
        )

    def _measure(self, step: Step) -> None:
        """Start a system, measure it at every load, end it."""
        system = SYSTEMS[step.system]
        ports = free_ports()
        folder = self._folder / system.name
        log = LOGS / f"{system.name}.log"
        place = Place(self._pythons[system.name], ports[0], ports[1:], folder)
        with Service(system.command(place), self._environ(system, place), folder, log) as service:
            started = Running(system, service, place.port)
            self.starts.append(self._until_ready(started, step.round))
            self._point(started, WARM_UP, WARM_UP_S, step.round)
            for load in self._chosen.loads:
                point = self._point(started, load, self._chosen.duration_s, step.round)
                self.points.append(point)
                say(f"  {load!s:>8}  {_line(point)}")

    def _environ(self, system: System, place: Place) -> dict[str, str]:
        if system.name == OURS:
            return ours.environ_of(self._folder / "home", place.port, place.other_ports[0])
        model = self._onnx if system.onnx else self._pipeline
        quiet = {"BENTOML_DO_NOT_TRACK": "True", "MLFLOW_DISABLE_TELEMETRY": "true"}
        path = f"{place.python.parent}{os.pathsep}{os.environ.get('PATH', '')}"
        return {**os.environ, **quiet, "PATH": path, "BENCH_MODEL": str(model)}

    def _until_ready(self, started: Running, round_: int) -> Start:
        client = Client(started.system, started.port, self._requests[1])
        try:
            ready_s = started.service.until(client.answers_rightly)
        finally:
            client.close()
        inference_s = None
        if started.system.name == OURS:
            inference_s = ready_s - started.service.started_later("bentos")
        return Start(
            system=started.system.name,
            round=round_,
            ready_s=ready_s,
            inference_ready_s=inference_s,
        )

    def _point(self, started: Running, load: Load, seconds: int, round_: int) -> Point:
        system = started.system
        bodies = self._bodies(system, load.rows)
        return measure(started, load, bodies, seconds, round_)

    def _bodies(self, system: System, rows: int) -> Bodies:
        file = self._folder / f"{system.name}-{rows}.txt"
        requests = self._requests[rows]
        if not file.exists():
            file.write_bytes(b"".join(system.body(r.rows) + b"\n" for r in requests))
        return Bodies(requests, file)


def _line(point: Point) -> str:
    figures = (
        f"{point.requests_per_s:8,.0f}/s  p50 {point.p50_ms:.2f} ms  p99 {point.p99_ms:.1f} ms"
    )
    notes = [f"VOID: {point.void}"] if point.void else []
    if point.others_cpu > report.NOISE:
        notes.append(f"noise: {point.others_cpu:.1f} cores")
    return "  ".join([figures, f"wrk {point.generator_cpu:.0%}", *notes])


def _interrupt(_signal: int, _frame: object) -> None:
    raise KeyboardInterrupt


if __name__ == "__main__":
    sys.exit(main())
