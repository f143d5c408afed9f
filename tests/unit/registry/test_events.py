"""What is told while a command works: whole screens, for each kind of reader."""

import datetime as dt
import io
import json

import pytest
from rich.console import Console

from registry.events import JsonLines, Lines, LiveView, Teller


class HandClock:
    """A clock that stands until it is set."""

    def __init__(self) -> None:
        self.passed = 0.0

    def now(self) -> dt.datetime:
        return dt.datetime(2026, 1, 2, 3, 4, 5, tzinfo=dt.UTC) + dt.timedelta(seconds=self.passed)

    def seconds(self) -> float:
        return self.passed


def tell(teller: Teller, clock: HandClock) -> None:
    """Tell of a promotion up to the middle of its rollout."""
    teller.step("publish", "publishing v2/model.onnx")
    clock.passed = 0.4
    teller.step("roll out", "rolling out version 2")
    clock.passed = 3.0
    teller.told("waiting for 1 of [2] instances")


def screen(view: LiveView) -> str:
    """Return what the view shows, on a terminal of 72 columns."""
    console = Console(width=72, file=io.StringIO(), force_terminal=False)
    with console.capture() as shown:
        console.print(view.table())
    return "\n".join(line.rstrip() for line in shown.get().splitlines())


def live(clock: HandClock, file: io.TextIOBase | None = None) -> LiveView:
    """Return a view whose own drawing goes nowhere."""
    return LiveView(Console(width=72, file=file or io.StringIO(), force_terminal=True), clock)  # type: ignore[arg-type]


def test_the_live_view_shows_each_step_with_its_duration() -> None:
    """What has ended keeps its time; the step under way shows its latest words."""
    clock = HandClock()
    with live(clock) as view:
        tell(view, clock)
        assert screen(view) == (
            "✔  publish   0.4 s  publishing v2/model.onnx\n"
            "●  roll out  2.6 s  waiting for 1 of [2] instances"
        )
        clock.passed = 5.0
    clock.passed = 9.0
    assert screen(view).splitlines()[1].startswith("✔  roll out  4.6 s")


def test_the_live_view_marks_the_step_that_failed() -> None:
    """The picture that stays says where it ended."""
    clock = HandClock()
    view = live(clock)

    def fail() -> None:
        with view:
            tell(view, clock)
            raise InterruptedError

    with pytest.raises(InterruptedError):
        fail()
    assert [line[0] for line in screen(view).splitlines()] == ["✔", "✗"]


def test_lines_carry_the_moment() -> None:
    """A log is read later."""
    clock, lines = HandClock(), list[str]()
    tell(Lines(lines.append, clock), clock)
    assert lines == [
        "2026-01-02T03:04:05Z  publishing v2/model.onnx",
        "2026-01-02T03:04:05Z  rolling out version 2",
        "2026-01-02T03:04:08Z  waiting for 1 of [2] instances",
    ]


def test_lines_leave_out_progress_of_a_moment_ago() -> None:
    """A minute's window is a handful of lines in a log; each step begins anew."""
    clock, lines = HandClock(), list[str]()
    log = Lines(lines.append, clock)
    for step in ("watching version 2", "watching version 3"):
        log.step("watch", step)
        for second in range(25):
            log.progress(f"{second} of 60 s")
            clock.passed += 1
    told = [line.partition("  ")[2] for line in lines]
    assert told == [
        line
        for step in ("watching version 2", "watching version 3")
        for line in (step, "0 of 60 s", "10 of 60 s", "20 of 60 s")
    ]


def test_json_lines_name_the_step_of_each_event() -> None:
    """One object a line."""
    clock, lines = HandClock(), list[str]()
    tell(JsonLines(lines.append, clock), clock)
    assert json.loads(lines[-1]) == {
        "at": "2026-01-02T03:04:08Z",
        "seconds": 3.0,
        "step": "roll out",
        "words": "waiting for 1 of [2] instances",
    }


class _Gone(io.StringIO):
    def write(self, _: str) -> int:
        raise OSError(5, "Input/output error")


def test_a_reader_that_has_gone_stops_nothing() -> None:
    """A terminal that was closed must not end a rollout in the middle."""

    def gone(_: str) -> None:
        raise BrokenPipeError

    clock = HandClock()
    tell(Lines(gone, clock), clock)
    tell(JsonLines(gone, clock), clock)
    with live(clock, _Gone()) as view:
        tell(view, clock)
