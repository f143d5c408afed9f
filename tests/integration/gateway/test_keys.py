"""API keys of a real gateway."""

import hashlib
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.integration.gateway.processes import (
    GatewayProgram,
    UpstreamProgram,
    raw,
    row,
    wait_until,
)
from tests.integration.gateway.test_operation import Stream

GRACE_MS = 6000
"""Clients of a test that stood still for longer, on a machine full of tests, would be refused."""


def write_keys(file: Path, **keys: str) -> None:
    """Replace the file of keys as a mounted secret is."""
    fresh = file.with_suffix(".new")
    lines = (f"{n}:{hashlib.sha256(key.encode()).hexdigest()}\n" for n, key in keys.items())
    fresh.write_text("".join(lines))
    fresh.replace(file)


def bearer(key: str) -> dict[str, str]:
    """Return the header that carries a key."""
    return {"authorization": f"Bearer {key}"}


@pytest.fixture
def file(tmp_path: Path) -> Path:
    """A file with the key of a shop."""
    write_keys(tmp_path / "keys", shop="open sesame")
    return tmp_path / "keys"


@pytest.fixture
def guarded(upstream: UpstreamProgram, file: Path) -> Iterator[GatewayProgram]:
    """A gateway that asks for keys, and logs every request."""
    with GatewayProgram(
        INFERENCE_URL=upstream.url,
        GATEWAY_API_KEYS_FILE=file,
        GATEWAY_API_KEYS_GRACE_MS=GRACE_MS,
        GATEWAY_LOG_SHARE=1,
    ) as gateway:
        gateway.wait_ready()
        yield gateway


def test_the_api_asks_for_a_key_and_health_and_documentation_do_not(
    guarded: GatewayProgram,
) -> None:
    """A refusal is a problem that says how to send a key."""
    for answer in (
        guarded.predict(row(1)),
        guarded.get("/v1/model"),
        guarded.predict(row(1), headers=bearer("wrong")),
    ):
        assert answer.status_code == 401
        assert answer.headers["content-type"] == "application/problem+json"
        assert answer.json()["type"] == "docs/api.md#unauthorized"
        assert answer.headers["www-authenticate"].startswith("Bearer")
    assert guarded.predict(row(1), headers=bearer("open sesame")).status_code == 200
    for path in ("/docs", "/metrics", "/health/live"):
        assert guarded.get(path).status_code == 200


@pytest.mark.parametrize("keys", [("open sesame", "open sesame"), ("wrong", "open sesame")])
def test_two_keys_are_none(guarded: GatewayProgram, keys: tuple[str, str]) -> None:
    """Which of them counts is not left to the order, in which a proxy may have added one."""
    lines = "".join(f"Authorization: Bearer {key}\r\n" for key in keys)
    request = f"GET /v1/model HTTP/1.1\r\nHost: x\r\nConnection: close\r\n{lines}\r\n"
    assert raw(guarded, request.encode()).startswith(b"HTTP/1.1 401 ")


def test_a_changed_file_is_used_under_load_without_a_failed_request(
    guarded: GatewayProgram, file: Path
) -> None:
    """Clients go over when the new key is good; until its grace is over the old one is too."""
    key = "open sesame"
    with Stream(guarded, headers=lambda: bearer(key)) as stream:
        write_keys(file, shop="another")
        wait_until(
            lambda: guarded.predict(row(1), headers=bearer("another")).status_code == 200,
            "the new key opens",
        )
        key = "another"
        stream.wait_for_more()
        wait_until(
            lambda: guarded.predict(row(1), headers=bearer("open sesame")).status_code == 401,
            "the old key is refused",
        )
        stream.wait_for_more()
    assert {answer.status for answer in stream.answers} == {200}


def test_the_log_has_the_name_and_never_the_key(guarded: GatewayProgram) -> None:
    """Who asked is found in the line of a request; a wrong key is not in it either."""
    guarded.predict(row(1), headers=bearer("open sesame") | {"x-request-id": "right"})
    guarded.predict(row(1), headers=bearer("close sesame") | {"x-request-id": "wrong"})
    right = guarded.logged("request", request_id="right")
    wrong = guarded.logged("request", request_id="wrong")
    assert right["client"] == "shop"
    assert "client" not in wrong
    assert wrong["reason"] == "unauthorized"
    assert "sesame" not in guarded.written()
