"""What a long command tells meanwhile: a bar on a terminal, plain lines elsewhere.

It goes to standard error, so that standard output holds the result and nothing else.
"""

from collections.abc import Callable, Iterator
from contextlib import contextmanager

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, TextColumn, TimeElapsedColumn
from rich.progress import Progress as Bar


class Progress:
    """Says lines, and counts what is done of a known number."""

    def __init__(self, console: Console | None = None) -> None:
        self._console = console or Console(stderr=True)

    def say(self, text: str) -> None:
        """Say one line; it appears above the bar where there is one."""
        self._console.print(text, markup=False, highlight=False, soft_wrap=True)

    @contextmanager
    def counting(self, what: str, total: int) -> Iterator[Callable[[], None]]:
        """Count up to `total`; the block calls what it is given after each step."""
        if not self._console.is_terminal:
            yield lambda: None  # the lines that are said tell enough
            return
        columns = (TextColumn(what), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn())
        with Bar(*columns, console=self._console, transient=True) as bar:
            task = bar.add_task(what, total=total)
            yield lambda: bar.advance(task)
