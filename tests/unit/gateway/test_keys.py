"""API keys."""

import hashlib
from pathlib import Path

import pytest

from artifacts.errors import SettingsError
from serving.gateway.keys import ApiKeys
from serving.gateway.problems import UNAUTHORIZED, Problem

DIGEST = hashlib.sha256(b"open sesame").hexdigest()


def keys_of(tmp_path: Path, text: str) -> ApiKeys:
    """Return the keys that a file with the text holds."""
    file = tmp_path / "keys"
    file.write_text(text)
    return ApiKeys.from_file(str(file))


def test_without_keys_everybody_may_call() -> None:
    """No file means no keys."""
    ApiKeys.from_file("").check(None)


def test_a_known_key_opens(tmp_path: Path) -> None:
    """Any client's key opens, after the scheme `Bearer` in any case."""
    keys = keys_of(tmp_path, f"# clients\n\nsomebody:{'0' * 64}\nshop:{DIGEST}\n")
    keys.check(b"Bearer open sesame")
    keys.check(b"bearer open sesame")


@pytest.mark.parametrize(
    "header",
    [None, b"", b"Bearer", b"Bearer wrong", b"Basic open sesame", b"open sesame", b"Bearer \xff"],
)
def test_anything_else_does_not(tmp_path: Path, header: bytes | None) -> None:
    """A request without a known key is told how to send one."""
    with pytest.raises(Problem) as caught:
        keys_of(tmp_path, f"shop:{DIGEST}").check(header)
    assert caught.value.kind is UNAUTHORIZED
    assert caught.value.headers == [("www-authenticate", 'Bearer realm="iris-ml-api"')]


@pytest.mark.parametrize("text", ["", "# nobody\n", "shop", f"{DIGEST}", "shop:open sesame"])
def test_a_wrong_file_stops_the_start(tmp_path: Path, text: str) -> None:
    """A file that would let nobody in, or the wrong ones, is refused, and no key is quoted."""
    with pytest.raises(SettingsError, match="GATEWAY_API_KEYS_FILE") as caught:
        keys_of(tmp_path, text)
    assert "sesame" not in str(caught.value)
    with pytest.raises(SettingsError, match="GATEWAY_API_KEYS_FILE"):
        ApiKeys.from_file(str(tmp_path / "nowhere"))
