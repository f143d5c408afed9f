"""API keys: a line `name:sha256-of-the-key` for each, so that the file holds no key.

A client may have several. The file is read again when it changes. A key that is no longer in it is
good for a grace, so that no request is lost while clients go over to the next one.
"""

import asyncio
import hashlib
import hmac
import logging
import os
import time
from collections.abc import Callable
from math import inf
from pathlib import Path
from typing import NamedTuple

from artifacts.errors import SettingsError
from serving.gateway.problems import UNAUTHORIZED, Problem

LOOK_S = 1.0  # how often the file is looked at

log = logging.getLogger(__name__)

Seen = tuple[int, ...]


class _Key(NamedTuple):
    client: str
    until: float
    """When it is no longer good, on the clock of its `ApiKeys`."""


class ApiKeys:
    """The keys that open; without a file everybody may call."""

    def __init__(
        self, path: str, grace_s: float = 0.0, now: Callable[[], float] = time.monotonic
    ) -> None:
        """Read the file that `GATEWAY_API_KEYS_FILE` names; an empty name means no keys.

        Args:
            path: the file.
            grace_s: how long a key is good that is no longer in the file.
            now: a clock in seconds that never goes back.

        Raises:
            SettingsError: the file can't be read, or a line of it is wrong.
        """
        self._path = path
        self._grace_s = grace_s
        self._now = now
        self._complaint = ""
        self._seen = _look(path) if path else ()
        self._keys = {d: _Key(name, inf) for d, name in (_read(path) if path else {}).items()}

    @property
    def asked_for(self) -> bool:
        """Whether a request needs a key."""
        return bool(self._path)

    def client(self, authorization: bytes | None) -> str:
        """Return whose key a request carries as `Authorization: Bearer <key>`.

        Where no key is asked for, that is nobody's: the empty name.

        Raises:
            Problem: it carries none, or another.
        """
        if not self._path:
            return ""
        scheme, _, key = (authorization or b"").partition(b" ")
        digest = hashlib.sha256(key.strip()).hexdigest()
        now = self._now()
        # Each is compared in the same time, so that it does not tell how much was right.
        found = [k for d, k in self._keys.items() if hmac.compare_digest(digest, d)]
        if scheme.lower() != b"bearer" or not found or found[0].until <= now:
            raise Problem(
                UNAUTHORIZED,
                "Send a known key, once, as `Authorization: Bearer <key>`.",
                headers=[("www-authenticate", 'Bearer realm="iris-ml-api"')],
            )
        return found[0].client

    async def watch(self) -> None:
        """Take over what the file holds whenever it changes, until cancelled."""
        while True:
            await asyncio.sleep(LOOK_S)
            self.look()

    def look(self) -> None:
        """Take over what the file holds, if it is another; one that is wrong changes nothing."""
        now = self._now()
        self._keys = {d: key for d, key in self._keys.items() if key.until > now}
        try:
            seen = _look(self._path)
            if seen == self._seen:
                return
            listed = _read(self._path)
        except SettingsError as error:
            if self._complaint != error.message:
                self._complaint = error.message
                log.error(  # noqa: TRY400  an expected failure has no traceback
                    "the API keys can't be read again; those from before stay",
                    extra={"error": error.message},
                )
            return
        self._seen, self._complaint = seen, ""
        ending = {d: k for d, k in self._keys.items() if d not in listed}
        until = now + self._grace_s
        new = {digest: _Key(name, inf) for digest, name in listed.items()}
        self._keys = {d: k._replace(until=min(k.until, until)) for d, k in ending.items()} | new
        log.info("the API keys have changed", extra={"keys": len(new), "ending": len(ending)})


def _look(path: str) -> Seen:
    """Return what tells whether the file is another one.

    Raises:
        SettingsError: there is none.
    """
    try:
        found = os.stat(path)  # noqa: PTH116  the file that a link points to by now
    except OSError as error:
        raise SettingsError(_unreadable(path, error)) from None
    return found.st_mtime_ns, found.st_ino, found.st_size


def _read(path: str) -> dict[str, str]:
    """Return the name of the client for the digest of each key.

    Raises:
        SettingsError: the file can't be read, or a line of it is wrong.
    """
    try:
        lines = Path(path).read_text(encoding="utf-8").splitlines()
    except (OSError, UnicodeDecodeError) as error:
        raise SettingsError(_unreadable(path, error)) from None
    listed = {}
    for number, line in enumerate(lines, start=1):
        if not line.strip() or line.startswith("#"):
            continue
        name, _, digest = line.strip().partition(":")
        if not name or len(digest) != 64 or set(digest) - set("0123456789abcdef"):
            where = f"GATEWAY_API_KEYS_FILE={path!r}, line {number}"
            raise SettingsError(f"{where}: expected name:sha256-of-the-key")
        listed[digest] = name
    if not listed:
        raise SettingsError(f"GATEWAY_API_KEYS_FILE={path!r} holds no key: nobody could call")
    return listed


def _unreadable(path: str, error: Exception) -> str:
    return f"GATEWAY_API_KEYS_FILE={path!r} can't be read: {error}"
