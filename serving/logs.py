"""Logs: a line an event, to standard output; JSON for programs, text at a terminal.

    log.info("an instance is ready", extra={"instance": url, "version": version})

The message names the event, in the same words each time; what varies goes into `extra`, and becomes
fields of the line. Neither features nor keys belong there.
"""

import logging
import sys
import time
from collections.abc import Callable, Mapping
from contextvars import ContextVar
from datetime import UTC, datetime
from typing import Any, Literal

import msgspec

from artifacts.errors import IrisError
from artifacts.settings import Settings, load

LINES = 100
"""Of the same event in a second; what comes on top is counted in the next one as `left_out`."""
EVENTS = 1000
OURS = ("artifacts", "bentoml.iris", "bentos", "serving")
"""What logs below these names is logged from the level on that is set; a library's is from
`warning` on: what it says of each of its requests would be most of the log, and is not ours."""

# What every record has; the rest of its attributes came in by `extra`.
_OF_ALL = frozenset((*vars(logging.makeLogRecord({})), "message", "asctime", "taskName"))

request_fields: ContextVar[Mapping[str, str]] = ContextVar("request_fields")
"""What a line says of the request that is being answered, whoever logs it."""


class LogSettings(Settings, frozen=True, kw_only=True):
    """What is logged, and how."""

    log_level: Literal["debug", "info", "warning", "error"] = "info"
    """The least level that is logged."""
    log_format: Literal["auto", "json", "text"] = "auto"
    """`auto` is text at a terminal, and JSON elsewhere."""


def start_logging(program: str, environ: Mapping[str, str] | None = None) -> bool:
    """Let all that this process logs go to standard output; return whether that is as JSON.

    Raises:
        SettingsError: a variable is wrong; it can be logged all the same.
    """
    handler = logging.StreamHandler(sys.stdout)
    handler.addFilter(Repeats())
    handler.setFormatter(_formatter(program, LogSettings().log_format))
    logging.basicConfig(handlers=[handler], level=logging.WARNING, force=True)
    settings = load(LogSettings, environ)
    handler.setFormatter(_formatter(program, settings.log_format))
    level = getattr(logging, settings.log_level.upper())
    logging.getLogger().setLevel(max(level, logging.WARNING))
    for name in OURS:
        logging.getLogger(name).setLevel(level)
    for logger in logging.root.manager.loggerDict.values():
        if isinstance(logger, logging.Logger):
            logger.disabled = False  # BentoML and Alembic disable whatever is there before them
    return isinstance(handler.formatter, JsonFormatter)


def log_end(log: logging.Logger, error: IrisError) -> None:
    """Log the expected failure that a program ends with; whoever started it looks for this line."""
    log.error("the program can't go on", extra={"error": error.in_one_line()})


def told_by(line: str) -> str:
    """Return what a line of a log says of a failure: the error in it, the event, or all of it."""
    try:
        fields = msgspec.json.decode(line, type=dict[str, Any])
    except (msgspec.MsgspecError, UnicodeError):
        return line
    return str(fields.get("error") or fields.get("event") or line)


class Limit:
    """Lets so many of the same pass in a second."""

    def __init__(self, lines: int = LINES, now: Callable[[], float] = time.monotonic) -> None:
        """Take the number, and a clock in seconds that never goes back."""
        self._lines = lines
        self._now = now
        self._seen: dict[object, list[float]] = {}

    def left_out(self, key: object) -> int | None:
        """Return how many were left out since the last that passed; None where this one is, too."""
        now = self._now()
        seen = self._seen.get(key)
        if seen is None:
            if len(self._seen) >= EVENTS:
                self._seen.clear()
            self._seen[key] = [now, 1, 0]
            return 0
        began, passed, left_out = seen
        if now - began >= 1:
            self._seen[key] = [now, 1, 0]
            return int(left_out)
        if passed >= self._lines:
            seen[2] += 1
            return None
        seen[1] += 1
        return 0


class Repeats(logging.Filter):
    """Bounds the lines of one event. Lines of requests have a bound of their own: `weight`."""

    def __init__(self) -> None:
        super().__init__()
        self._limit = Limit()

    def filter(self, record: logging.LogRecord) -> bool:
        """Return whether the record is written."""
        if hasattr(record, "weight"):
            return True
        left_out = self._limit.left_out((record.name, record.msg))
        if left_out:
            record.left_out = left_out
        return left_out is not None


class JsonFormatter(logging.Formatter):
    """A JSON object a line."""

    def __init__(self, program: str) -> None:
        super().__init__()
        self._program = program

    def format(self, record: logging.LogRecord) -> str:
        """Return the line."""
        fields = {
            "time": _time(record),
            "level": record.levelname.lower(),
            "program": self._program,
            "event": record.getMessage(),
            **_fields(record),
        }
        if record.exc_info:
            fields["exception"] = self.formatException(record.exc_info)
        # What a library logs may hold what is no Unicode.
        line: bytes = _encode(fields)
        return line.decode()


class TextFormatter(logging.Formatter):
    """A line for people; an exception follows on lines of its own."""

    def __init__(self, program: str) -> None:
        super().__init__()
        self._program = program

    def format(self, record: logging.LogRecord) -> str:
        """Return the line."""
        fields = "".join(f" {name}={value}" for name, value in _fields(record).items())
        start = f"{_time(record)} {record.levelname} {self._program}: "
        text = f"{start}{record.getMessage()}{fields}"
        if record.exc_info:
            text += f"\n{self.formatException(record.exc_info)}"
        return text


def _formatter(program: str, wanted: str) -> logging.Formatter:
    if wanted == "json" or (wanted == "auto" and not sys.stdout.isatty()):
        return JsonFormatter(program)
    return TextFormatter(program)


def _fields(record: logging.LogRecord) -> dict[str, Any]:
    given = {name: value for name, value in vars(record).items() if name not in _OF_ALL}
    return {**request_fields.get({}), **given}


def _time(record: logging.LogRecord) -> str:
    moment = datetime.fromtimestamp(record.created, UTC)
    return moment.isoformat(timespec="milliseconds").replace("+00:00", "Z")


def _encode(fields: dict[str, Any]) -> bytes:
    try:
        return msgspec.json.encode(fields, enc_hook=str)
    except UnicodeEncodeError:
        plain = {
            name: str(value).encode(errors="replace").decode() for name, value in fields.items()
        }
        return msgspec.json.encode(plain)
