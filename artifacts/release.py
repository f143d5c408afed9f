"""A release: the triple of version text, blob name and digest that names one model file.

It is written the same way in the ledger, in the configuration and in what an instance answers.
"""

from collections.abc import Mapping
from typing import Self

import msgspec

from artifacts.errors import SettingsError

MODEL_NAME = "iris-classifier"
_NOTHING = "null"


class Release(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """One model file, by version text, blob name (in `models`) and SHA-256 of its bytes.

    `sha256` is None where somebody configured version and blob by hand: what is found under the
    name is then taken as it is, and shown as unverified.
    """

    version: str
    blob: str
    sha256: str | None

    def __str__(self) -> str:
        digest = f"sha256 {self.sha256[:12]}…" if self.sha256 else "by hand, unverified"
        return f"version {self.version} ({digest})"

    def environ(self) -> dict[str, str]:
        """Return the release as the variables that configure a program with it."""
        variables = {"MODEL_VERSION": self.version, "MODEL_BLOB_NAME": self.blob}
        if self.sha256:
            variables["MODEL_SHA256"] = f"{self.blob}@{self.sha256}"
        return variables

    @classmethod
    def from_environ(cls, environ: Mapping[str, str]) -> Self:
        """Read the release that the variables name.

        `MODEL_SHA256` is `<blob name>@<digest>`. Where it names another blob than the one that is
        configured, somebody edited version and blob by hand and left it: no digest is given then.

        Raises:
            SettingsError: a variable is missing or malformed.
        """
        version, blob = (_required(environ, n) for n in ("MODEL_VERSION", "MODEL_BLOB_NAME"))
        if not (version.isascii() and version.isprintable()):
            raise SettingsError(
                f"MODEL_VERSION={version!r} is not valid: expected printable ASCII, since every "
                "response says it in a header"
            )
        named, _, digest = environ.get("MODEL_SHA256", "").rpartition("@")
        if named and not _is_digest(digest):
            raise SettingsError(
                f"MODEL_SHA256={environ['MODEL_SHA256']!r} is not valid: "
                "expected <blob name>@<64 hexadecimal digits>"
            )
        if digest and not named:
            raise SettingsError(
                f"MODEL_SHA256={digest!r} is not valid: expected <blob name>@<digest>, "
                "so that a digest left behind by an edit is told from the blob's own"
            )
        return cls(version, blob, digest if named == blob else None)


def release_text(release: Release | None) -> str:
    """Return a release as it stands in `model-config` and in the template; `null` for none."""
    return msgspec.json.encode(release).decode()


def asked_for(config: Mapping[str, str], template: str) -> Release | None:
    """Return the release that a cluster is asked for; None for nothing.

    What a hand edited into `model-config` counts. Where the pods' template is another than the one
    that `model-config` was written for, `kubectl rollout undo` brought it back (or its promoter
    died between the two writes), and the template counts.

    Args:
        config: the data of `model-config`; `RELEASE` is what its promoter wrote.
        template: the release in the template's annotation; empty where there is none.

    Raises:
        SettingsError: what stands there names no release.
    """
    configured = Release.from_environ(config) if "MODEL_VERSION" in config else None
    written, template = config.get("RELEASE") or _NOTHING, template or _NOTHING
    if release_text(configured) != written or template == written:
        return configured
    try:
        return msgspec.json.decode(template, type=Release | None)
    except msgspec.MsgspecError as error:
        raise SettingsError(f"{template!r} names no release: {error}") from error


def registry_release(version: int, sha256: str) -> Release:
    """Return the release of a registered version: where its file lies is fixed by its number."""
    return Release(str(version), f"{MODEL_NAME}/v{version}/model.onnx", sha256)


def _required(environ: Mapping[str, str], name: str) -> str:
    value = environ.get(name, "")
    if not value:
        raise SettingsError(
            f"{name} is not set; a release is named by MODEL_VERSION, "
            "MODEL_BLOB_NAME and MODEL_SHA256"
        )
    return value


def _is_digest(text: str) -> bool:
    return len(text) == 64 and set(text) <= set("0123456789abcdef")
