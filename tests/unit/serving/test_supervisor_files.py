"""The supervisor's files: state, lock, token, leftovers, ports."""

import errno
import os
import socket
import stat
from collections.abc import Iterator
from pathlib import Path

import pytest

from artifacts.release import Release, registry_release
from serving.supervisor.home import AlreadyServing, Home, HomeUnusable
from serving.supervisor.leftovers import end_leftovers
from serving.supervisor.ports import LOOPBACK, PortInUse, Ports, is_free
from serving.supervisor.state import Fence, State, StateLost, read_state, write_state

RELEASE = registry_release(1, "1" * 64)


@pytest.fixture
def home(tmp_path: Path) -> Home:
    """A prepared IRIS_HOME."""
    home = Home(tmp_path / "home")
    home.prepare()
    return home


@pytest.fixture
def ports() -> Iterator[Ports]:
    """The ports of a program that has chosen none yet."""
    with Ports(print) as ports:
        yield ports


@pytest.fixture
def taken() -> Iterator[int]:
    """A port that somebody listens on."""
    with socket.create_server((LOOPBACK, 0)) as listening:
        yield listening.getsockname()[1]


def test_the_state_comes_back_as_it_was_kept(home: Home) -> None:
    """Target, revision, release, fence and what served survive the process."""
    state = State("t", 7, RELEASE, Fence("l", 3, "d"), registry_release(2, "2" * 64))
    write_state(home.state, state)
    assert read_state(home.state) == state
    assert stat.S_IMODE(home.state.stat().st_mode) == 0o600


def test_a_new_state_has_a_target_of_its_own(home: Home) -> None:
    """Two supervisors are never taken for one."""
    assert read_state(home.state).target != read_state(home.state).target


def test_a_broken_state_is_an_error_and_stays(home: Home) -> None:
    """What can't be read is not silently begun anew: the fence would be lost."""
    home.state.write_text('{"target": "t", "revision": "seven"}')
    with pytest.raises(StateLost, match=r"state\.json cannot be read"):
        read_state(home.state)
    assert "seven" in home.state.read_text()


def test_a_state_that_cannot_be_written_leaves_the_one_before(tmp_path: Path) -> None:
    """A full or vanished disk loses nothing that was kept."""
    in_the_way = tmp_path / "file"
    in_the_way.write_text("no folder")
    with pytest.raises(StateLost, match="cannot be written"):
        write_state(in_the_way / "state.json", State("t"))


def test_a_folder_that_cannot_be_made_is_named(tmp_path: Path) -> None:
    """An unusable IRIS_HOME is one line that names it."""
    (tmp_path / "file").write_text("no folder")
    with pytest.raises(HomeUnusable, match="IRIS_HOME="):
        Home(tmp_path / "file").prepare()


def test_a_full_disk_is_named(home: Home, monkeypatch: pytest.MonkeyPatch) -> None:
    """A lock in which nobody could say who holds it is not taken."""

    def full(*_: object) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(os, "write", full)
    with pytest.raises(HomeUnusable, match=r"IRIS_HOME=.*No space left"), home.locked():
        pass


def test_a_second_supervisor_is_refused_with_the_firsts_pid(home: Home) -> None:
    """One folder, one supervisor."""
    refused = pytest.raises(AlreadyServing, match=str(os.getpid()))
    with home.locked(), refused, Home(home.root).locked():
        pass
    with home.locked():
        pass


def test_the_token_is_made_once_and_only_the_owner_reads_it(home: Home) -> None:
    """A restart does not lock out who read the token before."""
    assert home.token() == home.token()
    assert len(home.token()) >= 32
    assert stat.S_IMODE((home.root / "supervisor.token").stat().st_mode) == 0o600


def test_equal_digests_share_a_model_file_and_unverified_ones_do_not(home: Home) -> None:
    """A file by hand is never taken for a verified one."""
    by_hand = Release("hand", RELEASE.blob, None)
    same = Release("other", "other/blob", RELEASE.sha256)
    assert home.model_path(RELEASE) == home.model_path(same)
    assert home.model_path(RELEASE) != home.model_path(by_hand)


def test_only_the_files_of_releases_that_are_named_stay(home: Home) -> None:
    """Files that can be fetched again don't fill the disk."""
    releases = [registry_release(number, str(number) * 64) for number in range(1, 5)]
    home.model_path(RELEASE).parent.mkdir()
    for release in releases:
        home.model_path(release).write_bytes(b"model")
    home.forget_models([releases[1], releases[3]])
    left = set(home.model_path(RELEASE).parent.iterdir())
    assert left == {home.model_path(releases[1]), home.model_path(releases[3])}


def test_a_process_id_whose_lock_is_free_is_left_alone(home: Home) -> None:
    """A process id may be anybody's by now; only a lock that is held tells that it's a child's."""
    (home.run / "inference-5000.pid").write_text(str(os.getpid()))
    assert end_leftovers(home.run, patience_s=0.1) == []
    assert not list(home.run.iterdir())


def test_a_port_asked_for_and_in_use_is_refused(ports: Ports, taken: int) -> None:
    """Whoever asks for a port gets that one, or a line that names the variable."""
    with pytest.raises(PortInUse, match=f"GATEWAY_PORT={taken} is in use"):
        ports.choose("GATEWAY_PORT", LOOPBACK, taken, 8080)


def test_a_default_port_in_use_gives_the_next_free_one(
    ports: Ports, taken: int, capsys: pytest.CaptureFixture[str]
) -> None:
    """A newcomer whose machine has something on the default port sees it work all the same."""
    port = ports.choose("GATEWAY_PORT", LOOPBACK, None, taken)
    assert port > taken
    assert is_free(LOOPBACK, port)
    assert capsys.readouterr().out == f"port {taken} is in use; GATEWAY_PORT is {port}\n"


def test_two_programs_that_choose_at_once_get_two_ports(ports: Ports, taken: int) -> None:
    """What one has chosen is not the other's, though nobody listens there yet."""
    mine = ports.choose("GATEWAY_PORT", LOOPBACK, None, taken)
    asked = next(port for port in range(mine + 1, 65_536) if is_free(LOOPBACK, port))
    ports.choose("INFERENCE_PORT", LOOPBACK, asked, 5000)
    with Ports(print) as others:
        assert others.choose("GATEWAY_PORT", LOOPBACK, None, taken) > asked
    assert ports.next_free(LOOPBACK, mine) == mine, "what one holds oneself is free to use"


def test_a_port_is_free_again_once_its_program_has_ended(taken: int) -> None:
    """Nothing is left behind to be cleared away."""
    with Ports(print) as ended:
        port = ended.next_free(LOOPBACK, taken)
    with Ports(print) as next_one:
        assert next_one.next_free(LOOPBACK, taken) == port


def test_no_free_port_is_an_error_and_no_endless_search(ports: Ports) -> None:
    """The search ends at the last port there is."""
    with pytest.raises(PortInUse):
        ports.next_free("192.0.2.1", 65_530)


def test_a_port_on_all_addresses_is_in_use_on_loopback() -> None:
    """Some systems would let two listen, and a client would find the one or the other."""
    with socket.create_server(("", 0)) as listening:
        assert not is_free(LOOPBACK, listening.getsockname()[1])
