import io

from rich.console import Console

from training.progress import Progress


def _told(*, terminal: bool) -> str:
    stream = io.StringIO()
    progress = Progress(Console(file=stream, force_terminal=terminal, width=80))
    with progress.counting("training", 2) as tried:
        tried()
        progress.say("forest: log loss 0.143 ± 0.058 [not markup]")
        tried()
    return stream.getvalue()


def test_plain_elsewhere() -> None:
    """In a log stand plain lines, without a bar or a colour."""
    assert _told(terminal=False) == "forest: log loss 0.143 ± 0.058 [not markup]\n"


def test_bar_on_a_terminal() -> None:
    """On a terminal a bar counts what is done, and the lines are said all the same."""
    told = _told(terminal=True)
    assert "2/2" in told
    assert "forest: log loss 0.143" in told
