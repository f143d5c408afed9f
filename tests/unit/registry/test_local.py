"""Finding the supervisor of this machine, whatever lies in its place."""

import socket
import threading
from pathlib import Path

import pytest

from registry.errors import TargetUnavailable
from registry.rollout.local import open_local_target
from registry.settings import RegistrySettings


def look(home: Path, *, start: bool = False, **settings: str) -> None:
    """Look for a supervisor, as a command does."""
    whole = RegistrySettings(iris_home=str(home), **settings)  # type: ignore[arg-type]  # texts only
    with open_local_target(whole, start=start) as target:
        target.read()


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"[]",
        b'"x"',
        b"{",
        b"\xff\xfe",
        b"{}",
        b'{"url": 5}',
        b'{"url": null}',
        b'{"url": "http://[::"}',
        b'{"url": "http://127.0.0.1:99999999"}',
        b'{"url": "ftp://127.0.0.1"}',
        b'{"url": ""}',
    ],
)
def test_what_is_no_address_is_as_good_as_none(tmp_path: Path, content: bytes) -> None:
    """Garbage in `supervisor.json` is told in words: nothing serves."""
    (tmp_path / "supervisor.json").write_bytes(content)
    (tmp_path / "supervisor.token").write_text("token")
    with pytest.raises(TargetUnavailable, match="nothing is serving"):
        look(tmp_path)


@pytest.mark.parametrize("token", ["naïve", "two\nlines", ""])
def test_a_token_that_cannot_be_sent_is_as_good_as_none(tmp_path: Path, token: str) -> None:
    """The file may hold anything."""
    (tmp_path / "supervisor.json").write_text('{"url": "http://127.0.0.1:9"}')
    (tmp_path / "supervisor.token").write_text(token)
    with pytest.raises(TargetUnavailable, match="nothing is serving"):
        look(tmp_path)


@pytest.mark.parametrize("url", ["http://[::", "hello", "http://127.0.0.1:99999999"])
def test_an_address_that_is_none_is_told(tmp_path: Path, url: str) -> None:
    """`IRIS_SUPERVISOR_URL` is named."""
    with pytest.raises(TargetUnavailable, match="IRIS_SUPERVISOR_URL"):
        look(tmp_path, iris_supervisor_url=url, iris_supervisor_token="token")


def test_somebody_else_at_the_address_is_told(tmp_path: Path) -> None:
    """A port that was free again, and taken by a program that speaks something else."""
    with socket.create_server(("127.0.0.1", 0)) as listening:
        url = f"http://127.0.0.1:{listening.getsockname()[1]}"

        def answer() -> None:
            caller, _ = listening.accept()
            with caller:
                caller.recv(65536)
                caller.sendall(b"HTTP/1.1 200 OK\r\ncontent-length: 5\r\n\r\n\xff\xfe\"'{")

        thread = threading.Thread(target=answer)
        thread.start()
        with pytest.raises(TargetUnavailable, match="no supervisor"):
            look(tmp_path, iris_supervisor_url=url)
        thread.join()


def test_a_home_in_which_nothing_can_be_started_is_told(tmp_path: Path) -> None:
    """An unwritable home is one line that names it."""
    (tmp_path / "file").write_text("")
    with pytest.raises(TargetUnavailable, match="can be started in"):
        look(tmp_path / "file", start=True)
