"""The logs of the children."""

from pathlib import Path

import pytest

from artifacts.files import LOG_BYTES
from serving.supervisor.child_logs import ChildLogs


@pytest.fixture
def log(tmp_path: Path) -> Path:
    """A log with a line of yesterday."""
    path = tmp_path / "gateway.log"
    path.write_text("yesterday\n")
    return path


def test_only_what_is_new_is_shown_and_only_whole_lines(
    log: Path, capfdbinary: pytest.CaptureFixture[bytes]
) -> None:
    """A line that is still being written is shown once it is whole, and each once."""
    logs = ChildLogs(log.parent, shown=True)
    with log.open("a") as file:
        for part in ("one\ntw", "o\n", ""):
            file.write(part)
            file.flush()
            logs.look()
    (log.parent / "inference-5000.log").write_text("another\n")
    logs.look()
    assert capfdbinary.readouterr().out == b"one\ntwo\nanother\n"


def test_a_log_that_was_replaced_is_shown_from_its_beginning(
    log: Path, capfdbinary: pytest.CaptureFixture[bytes]
) -> None:
    """As when a child is started again whose log had grown large."""
    logs = ChildLogs(log.parent, shown=True)
    log.replace(log.with_name("gateway.log.1"))
    log.write_text("anew\n")
    logs.look()
    assert capfdbinary.readouterr().out == b"anew\n"


@pytest.mark.parametrize("shown", [True, False])
def test_a_log_that_has_grown_large_is_begun_anew(log: Path, shown: bool) -> None:
    """The one before is kept, and who writes goes on in the new one, at its beginning."""
    logs = ChildLogs(log.parent, shown=shown)
    with log.open("ab") as file:
        file.write(b"x" * LOG_BYTES + b"\n")
        file.flush()
        logs.look()
        assert log.stat().st_size == 0
        file.write(b"after\n")
    assert log.read_bytes() == b"after\n"
    assert log.with_name("gateway.log.1").read_bytes().startswith(b"yesterday\n")
