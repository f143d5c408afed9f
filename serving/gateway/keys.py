"""API keys: a line `name:sha256-of-the-key` for each client, so that the file holds no key."""

import hashlib
import hmac
from pathlib import Path

from artifacts.errors import SettingsError
from serving.gateway.problems import UNAUTHORIZED, Problem


class ApiKeys:
    """The clients that may call; with none at all, everybody may."""

    def __init__(self, digests: dict[str, str]) -> None:
        """Take the digest of each client's key, by the client's name."""
        self._digests = digests

    @classmethod
    def from_file(cls, path: str) -> "ApiKeys":
        """Read the file that `GATEWAY_API_KEYS_FILE` names; an empty name means no keys.

        Raises:
            SettingsError: the file can't be read, or a line of it is wrong.
        """
        if not path:
            return cls({})
        try:
            lines = Path(path).read_text(encoding="utf-8").splitlines()
        except (OSError, UnicodeDecodeError) as error:
            raise SettingsError(f"GATEWAY_API_KEYS_FILE={path!r} can't be read: {error}") from None
        digests = {}
        for number, line in enumerate(lines, start=1):
            if not line.strip() or line.startswith("#"):
                continue
            name, _, digest = line.strip().partition(":")
            if not name or len(digest) != 64 or set(digest) - set("0123456789abcdef"):
                where = f"GATEWAY_API_KEYS_FILE={path!r}, line {number}"
                raise SettingsError(f"{where}: expected name:sha256-of-the-key")
            digests[name] = digest
        if not digests:
            raise SettingsError(f"GATEWAY_API_KEYS_FILE={path!r} holds no key: nobody could call")
        return cls(digests)

    def check(self, authorization: bytes | None) -> None:
        """Let a request pass that carries a known key as `Authorization: Bearer <key>`.

        Raises:
            Problem: it carries none, or another.
        """
        if not self._digests:
            return
        scheme, _, key = (authorization or b"").partition(b" ")
        digest = hashlib.sha256(key.strip()).hexdigest()
        matches = [hmac.compare_digest(digest, known) for known in self._digests.values()]
        if scheme.lower() != b"bearer" or not any(matches):
            raise Problem(
                UNAUTHORIZED,
                "Send a known key as `Authorization: Bearer <key>`.",
                headers=[("www-authenticate", 'Bearer realm="iris-ml-api"')],
            )
