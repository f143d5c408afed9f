"""The blob stores among processes: many at once, and one that is killed while it writes."""

import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

import pytest

from artifacts.errors import BlobNotFound
from artifacts.store import open_store
from tests.support.azurite import Account, Azurite

NAME = "local/00000001.json"
SIZE = 200_000_000


@contextmanager
def writer(uri: str, number: int, size: int = 1) -> Iterator[subprocess.Popen[str]]:
    """Start a process that waits to write."""
    command = [sys.executable, "-m", "tests.support.writer", uri, NAME, str(number), str(size)]
    with subprocess.Popen(
        command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "ready\n"
        yield process
        process.kill()


def one_wins(uri: str) -> None:
    """Let four processes create the same blob at the same time."""
    with ExitStack() as running:
        writers = [running.enter_context(writer(uri, number)) for number in range(4)]
        for process in writers:
            assert process.stdin is not None
            process.stdin.write("now\n")
            process.stdin.flush()
        said = [process.communicate(timeout=30)[0].strip() for process in writers]
    assert sorted(said) == ["conflict"] * 3 + ["wrote"]
    assert open_store(uri).ledger.read(NAME) == bytes([said.index("wrote")])


def killed_while_writing(uri: str, after_s: float) -> bool:
    """Kill a writer; tell whether that was before the blob was there, and check what is there."""
    ledger = open_store(uri).ledger
    with writer(uri, 7, SIZE) as process:
        assert process.stdin is not None
        process.stdin.write("now\n")
        process.stdin.flush()
        time.sleep(after_s)  # at another point of its work each time; none of them can be seen
        process.kill()
    if ledger.list():
        assert ledger.read(NAME) == bytes([7]) * SIZE
        return False
    with pytest.raises(BlobNotFound):
        ledger.read(NAME)
    assert ledger.create(NAME, b"another's") is True
    return True


def test_of_many_processes_one_wins_on_files(tmp_path: Path) -> None:
    """A number of the ledger is taken once, whoever runs on this machine."""
    one_wins(str(tmp_path))


def test_of_many_processes_one_wins_on_azure(account: Account) -> None:
    """A number of the ledger is taken once, whoever runs anywhere."""
    open_store(account.uri).prepare()
    one_wins(account.uri)


def test_a_killed_writer_leaves_nothing_half_written_on_files(tmp_path: Path) -> None:
    """At whatever moment the process dies, the blob is there whole, or its name is free."""
    before = [killed_while_writing(str(tmp_path / str(ms)), ms / 1000) for ms in (5, 20, 60, 150)]
    assert any(before)


def test_a_killed_writer_leaves_nothing_half_written_on_azure(
    azurite: Azurite, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The service drops what was not sent to its end."""
    before = []
    for ms in (5, 50, 150):
        account = azurite.new_account()
        monkeypatch.setenv("AZURE_STORAGE_CONNECTION_STRING", account.connection_string)
        open_store(account.uri).prepare()
        before.append(killed_while_writing(account.uri, ms / 1000))
    assert any(before)
