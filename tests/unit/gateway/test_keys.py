"""API keys."""

import hashlib
import logging
import os
from pathlib import Path

import pytest

from artifacts.errors import SettingsError
from serving.gateway.keys import ApiKeys
from serving.gateway.problems import UNAUTHORIZED, Problem

GRACE_S = 60.0


class Clock:
    """A clock that says what it is told."""

    now = 0.0

    def __call__(self) -> float:
        return self.now


class KeysFile:
    """A file of keys, replaced as a mounted secret is, and what has read it."""

    def __init__(self, folder: Path, text: str) -> None:
        self.path = folder / "keys"
        self.path.write_text(text)
        self.clock = Clock()
        self.keys = ApiKeys(str(self.path), GRACE_S, self.clock)

    def becomes(self, text: str) -> None:
        """Put another file in its place, and let it be looked at."""
        fresh = self.path.with_name("fresh")
        fresh.write_text(text)
        fresh.replace(self.path)
        self.keys.look()

    def opens(self, key: str) -> bool:
        """Whether a request with the key may pass."""
        try:
            self.keys.client(f"Bearer {key}".encode())
        except Problem:
            return False
        return True


def line(name: str, key: str) -> str:
    """Return the line of a key."""
    return f"{name}:{hashlib.sha256(key.encode()).hexdigest()}\n"


def test_without_keys_everybody_may_call() -> None:
    """No file means no keys."""
    keys = ApiKeys("")
    assert keys.client(None) == keys.client(b"Bearer anything") == ""
    assert not keys.asked_for


def test_a_known_key_opens_and_tells_whose_it_is(tmp_path: Path) -> None:
    """Any client's key opens, after the scheme `Bearer` in any case; a client may have several."""
    text = f"# clients\n\nsomebody:{'0' * 64}\n" + line("shop", "open sesame") + line("shop", "two")
    keys = KeysFile(tmp_path, text).keys
    assert keys.client(b"Bearer open sesame") == "shop"
    assert keys.client(b"bearer open sesame") == "shop"
    assert keys.client(b"Bearer two") == "shop"


@pytest.mark.parametrize(
    "header",
    [None, b"", b"Bearer", b"Bearer wrong", b"Basic open sesame", b"open sesame", b"Bearer \xff"],
)
def test_anything_else_does_not(tmp_path: Path, header: bytes | None) -> None:
    """A request without a known key is told how to send one."""
    with pytest.raises(Problem) as caught:
        KeysFile(tmp_path, line("shop", "open sesame")).keys.client(header)
    assert caught.value.kind is UNAUTHORIZED
    assert caught.value.headers == [("www-authenticate", 'Bearer realm="iris-ml-api"')]


@pytest.mark.parametrize("text", ["", "# nobody\n", "shop", f"{'0' * 64}", "shop:open sesame"])
def test_a_wrong_file_stops_the_start(tmp_path: Path, text: str) -> None:
    """A file that would let nobody in, or the wrong ones, is refused, and no key is quoted."""
    with pytest.raises(SettingsError, match="GATEWAY_API_KEYS_FILE") as caught:
        KeysFile(tmp_path, text)
    assert "sesame" not in str(caught.value)
    with pytest.raises(SettingsError, match="GATEWAY_API_KEYS_FILE"):
        ApiKeys(str(tmp_path / "nowhere"))


def test_old_and_new_keys_are_good_for_a_grace(tmp_path: Path) -> None:
    """Clients go over one by one; when the grace is over the old key is refused."""
    file = KeysFile(tmp_path, line("shop", "old"))
    file.becomes(line("shop", "new"))
    assert file.opens("old")
    assert file.opens("new")
    file.clock.now = GRACE_S
    assert not file.opens("old")
    assert file.opens("new")
    file.keys.look()
    assert not file.opens("old")


def test_a_change_prolongs_no_grace_and_a_key_may_come_back(tmp_path: Path) -> None:
    """The grace counts from when the key was taken out; one that is listed again is good."""
    file = KeysFile(tmp_path, line("shop", "old"))
    file.becomes(line("shop", "new"))
    file.clock.now = GRACE_S - 1
    file.becomes(line("shop", "newest"))
    file.clock.now = GRACE_S
    assert not file.opens("old")
    assert file.opens("new")
    file.becomes(line("shop", "new"))
    file.clock.now = 10 * GRACE_S
    assert file.opens("new")
    assert not file.opens("newest")


@pytest.mark.parametrize("text", ["", "nonsense", None])
def test_a_file_that_is_wrong_changes_nothing(
    tmp_path: Path, text: str | None, caplog: pytest.LogCaptureFixture
) -> None:
    """A slip in the file, or its end, locks nobody out; it is told once."""
    caplog.set_level(logging.INFO)
    file = KeysFile(tmp_path, line("shop", "open sesame"))
    if text is None:
        file.path.unlink()
    for _ in range(3):
        file.clock.now += GRACE_S
        if text is None:
            file.keys.look()
        else:
            file.becomes(text)
        assert file.opens("open sesame")
    (record,) = caplog.records
    assert "GATEWAY_API_KEYS_FILE" in vars(record)["error"]
    file.becomes(line("shop", "new"))
    assert file.opens("new")


def test_a_link_that_points_elsewhere_is_another_file(tmp_path: Path) -> None:
    """A mounted secret is changed that way: its folder is a link."""
    for version in ("one", "two"):
        (tmp_path / version).mkdir()
        (tmp_path / version / "keys").write_text(line("shop", version))
    (tmp_path / "data").symlink_to("one")
    keys = ApiKeys(str(tmp_path / "data" / "keys"))
    (tmp_path / "fresh").symlink_to("two")
    os.replace(tmp_path / "fresh", tmp_path / "data")  # noqa: PTH105  of the link itself
    keys.look()
    assert keys.client(b"Bearer two") == "shop"
    with pytest.raises(Problem):
        keys.client(b"Bearer one")


def test_no_key_is_logged(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    """Neither a key nor its digest; only how many there are."""
    caplog.set_level(logging.INFO)
    file = KeysFile(tmp_path, line("shop", "old"))
    file.becomes(line("shop", "new"))
    (record,) = caplog.records
    assert (vars(record)["keys"], vars(record)["ending"]) == (1, 1)
    digest = hashlib.sha256(b"new").hexdigest()
    assert digest not in str(vars(record))
