"""The lines of the logs."""

import json
import logging
import re

import pytest

from artifacts.errors import IrisError, SettingsError
from serving.logs import EVENTS, LINES, Limit, log_end, request_fields, start_logging, told_by

log = logging.getLogger("serving.tests")


def test_a_line_is_an_object_with_time_level_program_and_event(
    capsys: pytest.CaptureFixture[str],
) -> None:
    """What varies is in fields, so that lines of one event can be counted; the time is UTC."""
    assert start_logging("gateway", {"LOG_FORMAT": "json"})
    log.info("it is so", extra={"version": "3", "many": 7, "odd": {1}})
    line = json.loads(capsys.readouterr().out)
    assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z", line.pop("time"))
    assert line == {
        "level": "info",
        "program": "gateway",
        "event": "it is so",
        "version": "3",
        "many": 7,
        "odd": [1],
    }


def test_whatever_is_logged_is_one_line(capsys: pytest.CaptureFixture[str]) -> None:
    """Line ends, quotes, lone surrogates and tracebacks stay inside of their field."""
    start_logging("gateway", {"LOG_FORMAT": "json"})
    log.info('a\n"b" \udc80 %s', "c")
    try:
        int("of\nsome kind")
    except ValueError:
        log.exception("it failed")
    first, second = map(json.loads, capsys.readouterr().out.splitlines())
    assert first["event"] == 'a\n"b" ? c'
    assert "ValueError: invalid literal" in second["exception"]


def test_a_library_that_disables_loggers_is_overruled(capsys: pytest.CaptureFixture[str]) -> None:
    """BentoML does when it is imported, to all that are there before it, ours and others."""
    theirs = logging.getLogger("httpx")
    log.disabled = theirs.disabled = True
    start_logging("gateway", {"LOG_FORMAT": "json"})
    log.info("ours")
    theirs.warning("theirs")
    events = [json.loads(line)["event"] for line in capsys.readouterr().out.splitlines()]
    assert events == ["ours", "theirs"]


def test_people_get_text(capsys: pytest.CaptureFixture[str]) -> None:
    """The same in the same order, with an exception on lines of its own."""
    assert not start_logging("gateway", {"LOG_FORMAT": "text"})
    log.warning("it is so", extra={"version": "3"})
    assert re.fullmatch(r"\S+Z WARNING gateway: it is so version=3\n", capsys.readouterr().out)


def test_the_level_is_the_least_that_is_logged(capsys: pytest.CaptureFixture[str]) -> None:
    """What is below is not written."""
    start_logging("gateway", {"LOG_LEVEL": "warning", "LOG_FORMAT": "json"})
    log.info("not this")
    log.warning("this")
    assert json.loads(capsys.readouterr().out)["event"] == "this"


def test_what_libraries_say_of_each_request_is_not_logged(
    capsys: pytest.CaptureFixture[str],
) -> None:
    """An HTTP client's lines would be most of the log; its warnings are kept."""
    start_logging("gateway", {"LOG_LEVEL": "debug", "LOG_FORMAT": "json"})
    for name in ("httpx", "azure.core"):
        logging.getLogger(name).info("a request")
        logging.getLogger(name).warning("a failure")
    log.debug("ours")
    events = [json.loads(line)["event"] for line in capsys.readouterr().out.splitlines()]
    assert events == ["a failure", "a failure", "ours"]


@pytest.mark.parametrize("variable", ["LOG_LEVEL", "LOG_FORMAT"])
def test_a_wrong_setting_is_logged_as_any_other(
    variable: str, capsys: pytest.CaptureFixture[str]
) -> None:
    """A program that can't read how to log still says why it ends."""
    with pytest.raises(SettingsError, match=variable) as caught:
        start_logging("gateway", {variable: "loud"})
    log_end(log, caught.value)
    assert variable in json.loads(capsys.readouterr().out)["error"]


def test_a_line_tells_of_the_request_that_is_answered(capsys: pytest.CaptureFixture[str]) -> None:
    """Whoever logs it, one request id finds it."""
    start_logging("inference", {"LOG_FORMAT": "json"})
    token = request_fields.set({"request_id": "abc"})
    log.info("inside")
    request_fields.reset(token)
    log.info("outside")
    inside, outside = map(json.loads, capsys.readouterr().out.splitlines())
    assert inside["request_id"] == "abc"
    assert "request_id" not in outside


def test_repeats_are_bounded_and_counted() -> None:
    """A flood of one event leaves room for others, and the next line tells how large it was."""
    now = 0.0
    limit = Limit(3, lambda: now)
    assert [limit.left_out("a") for _ in range(5)] == [0, 0, 0, None, None]
    assert limit.left_out("b") == 0
    now = 1.0
    assert [limit.left_out("a") for _ in range(2)] == [2, 0]
    for number in range(EVENTS * 3):
        limit.left_out(number)
    assert len(limit._seen) <= EVENTS


def test_a_flood_of_one_event_is_not_written(capsys: pytest.CaptureFixture[str]) -> None:
    """What comes on top of the bound in a second is left out; lines of requests count for many."""
    start_logging("gateway", {"LOG_FORMAT": "json"})
    for number in range(3 * LINES):
        log.info("again", extra={"number": number})
    for _ in range(3 * LINES):
        log.info("request", extra={"weight": 100})
    events = [json.loads(line)["event"] for line in capsys.readouterr().out.splitlines()]
    assert events.count("again") < 3 * LINES
    assert events.count("request") == 3 * LINES


@pytest.mark.parametrize(
    ("line", "told"),
    [
        ('{"event": "the program can\'t go on", "error": "no file"}', "no file"),
        ('{"event": "address in use"}', "address in use"),
        ("Traceback (most recent call last):", "Traceback (most recent call last):"),
        ("[1, 2]", "[1, 2]"),
    ],
)
def test_the_reason_of_an_end_is_read_from_the_last_line(line: str, told: str) -> None:
    """The supervisor tells in words why a process ended, whichever way that logs."""
    assert told_by(line) == told


def test_the_end_of_a_program_is_one_event(capsys: pytest.CaptureFixture[str]) -> None:
    """What happened and what to do next are one field."""
    start_logging("gateway", {"LOG_FORMAT": "json"})
    log_end(log, IrisError("the disk is full", hint="make room"))
    assert told_by(capsys.readouterr().out) == "the disk is full (make room)"
