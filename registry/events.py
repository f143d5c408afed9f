"""What a command tells while it works: steps, and words within a step.

Three renderers, one for each reader: `LiveView` for a person at a terminal, `Lines` for a log,
`JsonLines` for a program. Whoever reads may go away meanwhile (a closed terminal, `| head`); the
operation does not depend on its reader, so what cannot be written is dropped.
"""

import contextlib
import datetime as dt
import time
from collections.abc import Callable
from typing import Protocol, Self

import msgspec
from rich.console import Console
from rich.live import Live
from rich.table import Table
from rich.text import Text

Echo = Callable[[str], None]

_PROGRESS_S = 10.0


class Clock(Protocol):
    """The two times that are shown: the day's, and one that only rises."""

    def now(self) -> dt.datetime:
        """Return the moment, in UTC."""

    def seconds(self) -> float:
        """Return seconds since some moment."""


class SystemClock:
    """This machine's."""

    def now(self) -> dt.datetime:
        """Return the moment, in UTC."""
        return dt.datetime.now(dt.UTC)

    def seconds(self) -> float:
        """Return seconds since some moment; no change of the machine's clock moves them."""
        return time.monotonic()


class Teller(Protocol):
    """Who is told what a command does."""

    def step(self, name: str, words: str) -> None:
        """Hear that a step begins.

        Args:
            name: an effect's value, or `ask MLflow`, `gates`, `look before`, `outcome`.
            words: what is done, to what.
        """

    def told(self, words: str) -> None:
        """Hear how the step goes on."""

    def progress(self, words: str) -> None:
        """Hear how far the step is, every second or so; a log may leave some out."""


class Recording:
    """Keeps what it is told, for tests."""

    def __init__(self) -> None:
        self.steps: list[str] = []
        self.words: list[str] = []

    def step(self, name: str, words: str) -> None:
        """Keep both."""
        self.steps.append(name)
        self.words.append(words)

    def told(self, words: str) -> None:
        """Keep them."""
        self.words.append(words)

    progress = told


class Lines:
    """A line for each thing told, with the moment; of progress one now and then."""

    def __init__(self, echo: Echo, clock: Clock) -> None:
        self._echo = echo
        self._clock = clock
        self._progress_due = 0.0

    def step(self, name: str, words: str) -> None:  # noqa: ARG002  the words say it all
        """Write a line."""
        self._progress_due = 0.0
        self.told(words)

    def progress(self, words: str) -> None:
        """Write a line, unless one was written a moment ago."""
        if self._clock.seconds() >= self._progress_due:
            self._progress_due = self._clock.seconds() + _PROGRESS_S
            self.told(words)

    def told(self, words: str) -> None:
        """Write a line."""
        with contextlib.suppress(OSError):
            self._echo(f"{self._clock.now():%Y-%m-%dT%H:%M:%SZ}  {words}")


class JsonLines:
    """An object for each thing told."""

    def __init__(self, echo: Echo, clock: Clock) -> None:
        self._echo = echo
        self._clock = clock
        self._begun = clock.seconds()
        self._step: str | None = None

    def step(self, name: str, words: str) -> None:
        """Write an object, and name this step in those that follow."""
        self._step = name
        self.told(words)

    def told(self, words: str) -> None:
        """Write an object."""
        event = {
            "at": self._clock.now(),
            "seconds": round(self._clock.seconds() - self._begun, 1),
            "step": self._step,
            "words": words,
        }
        with contextlib.suppress(OSError):
            self._echo(msgspec.json.encode(event).decode())

    progress = told


class _Step:
    def __init__(self, name: str, words: str, begun: float) -> None:
        self.name, self.words, self.begun = name, words, begun
        self.ended: float | None = None
        self.mark = "●"


class LiveView:
    """A table of the steps that is redrawn in place, with a mark and the duration of each."""

    def __init__(self, console: Console, clock: Clock) -> None:
        self._clock = clock
        self._steps: list[_Step] = []
        # Without a refresh while it waits, the duration of the step under way would stand still.
        self._live = Live(console=console, get_renderable=self.table, refresh_per_second=4)

    def __enter__(self) -> Self:
        with contextlib.suppress(OSError):
            self._live.start()
        return self

    def __exit__(self, kind: type[BaseException] | None, *_: object) -> None:
        self._end("✔" if kind is None else "✗")
        with contextlib.suppress(OSError):
            self._live.stop()

    def step(self, name: str, words: str) -> None:
        """End the step before, and begin a line."""
        self._end("✔")
        self._steps.append(_Step(name, words, self._clock.seconds()))
        self._draw()

    def told(self, words: str) -> None:
        """Show the words at the step under way."""
        if not self._steps or self._steps[-1].ended is not None:
            self._steps.append(_Step("", words, self._clock.seconds()))
        self._steps[-1].words = words
        self._draw()

    progress = told

    def table(self) -> Table:
        """Return what is shown now."""
        table = Table.grid(padding=(0, 2, 0, 0))
        table.add_column(width=1)
        table.add_column(no_wrap=True)
        table.add_column(no_wrap=True, justify="right")
        table.add_column(overflow="fold")
        for step in list(self._steps):
            ended = self._clock.seconds() if step.ended is None else step.ended
            seconds = f"{ended - step.begun:.1f} s"
            # Text, since words may hold brackets, which rich would read as markup.
            table.add_row(step.mark, Text(step.name), seconds, Text(step.words))
        return table

    def _end(self, mark: str) -> None:
        if self._steps and self._steps[-1].ended is None:
            self._steps[-1].ended = self._clock.seconds()
            self._steps[-1].mark = mark

    def _draw(self) -> None:
        with contextlib.suppress(OSError):
            self._live.refresh()


def choose_teller(
    echo: Echo, *, as_json: bool, terminal: bool
) -> contextlib.AbstractContextManager[Teller]:
    """Return the renderer for whoever reads, to be entered.

    Args:
        echo: writes a line.
        as_json: whether a program reads.
        terminal: whether a person at a terminal does.
    """
    clock = SystemClock()
    if as_json:
        return contextlib.nullcontext(JsonLines(echo, clock))
    if terminal:
        return LiveView(Console(), clock)
    return contextlib.nullcontext(Lines(echo, clock))
