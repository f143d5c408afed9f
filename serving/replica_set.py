"""In a cluster: a ReplicaSet serves one release for ever, whatever its pods are told later.

The first pod of a ReplicaSet takes what the cluster is asked for and records it under the
ReplicaSet's uid; every later pod of it obeys the record. So `kubectl rollout undo` brings back what
the older pods served, a `kubectl rollout restart` after it changes nothing of that, and one after
an edit of `model-config` serves what was edited in.
"""

import json
import os
import ssl
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from urllib.error import HTTPError, URLError
from urllib.request import Request, urlopen

import msgspec

from artifacts.errors import BlobConflict, BlobNotFound, IrisError
from artifacts.release import Release
from artifacts.store import BlobStore

ACCOUNT = Path("/var/run/secrets/kubernetes.io/serviceaccount")
_TIMEOUT_S = 10


class PodUnknown(IrisError):
    """The API server does not say which ReplicaSet the pod belongs to."""


class StaleConfig(IrisError):
    """The container began with a `model-config` that is older than the pod's template."""


class PinDamaged(IrisError):
    """The record of what a ReplicaSet serves can't be read."""


class Pinned(msgspec.Struct, frozen=True):
    """What a ReplicaSet serves: the release as it was named, and the digest that was found then."""

    release: Release
    sha256: str


@dataclass(frozen=True)
class Pod:
    """This pod, as the downward API tells it."""

    namespace: str
    name: str
    promotion: str
    """The record under which its template was last written; empty where none was."""
    release: str = ""
    """The release in its template's annotation, likewise."""

    def replica_set(self, environ: Mapping[str, str] = os.environ, account: Path = ACCOUNT) -> str:
        """Ask the API server for the uid of the ReplicaSet that the pod belongs to.

        Raises:
            PodUnknown: it does not answer, refuses, or the pod belongs to none.
        """
        what = f"pod {self.namespace}/{self.name}"
        try:
            host, port = (environ[f"KUBERNETES_SERVICE_{name}"] for name in ("HOST", "PORT"))
            token = (account / "token").read_text().strip()
            trusted = ssl.create_default_context(cafile=account / "ca.crt")
        except (KeyError, OSError) as error:
            raise PodUnknown(
                f"{what} cannot ask the API server who it is: {error}",
                hint="the container needs its service account's token and certificate",
            ) from error
        bracketed = f"[{host}]" if ":" in host else host
        address = f"https://{bracketed}:{port}/api/v1/namespaces/{self.namespace}/pods/{self.name}"
        request = Request(address, headers={"authorization": f"Bearer {token}"})
        try:
            with urlopen(request, timeout=_TIMEOUT_S, context=trusted) as response:  # noqa: S310
                return owner_uid(json.load(response))
        except HTTPError as error:
            raise PodUnknown(
                f"the API server answers {error.code} to whoever asks for {what}",
                hint="the init container's service account needs `get` on pods of its namespace",
            ) from error
        except (URLError, OSError, ValueError) as error:
            raise PodUnknown(f"the API server says nothing of {what}: {error}") from error


def owner_uid(pod: object) -> str:
    """Return the uid of the ReplicaSet that controls a pod.

    Raises:
        ValueError: none does.
    """
    match pod:
        case {"metadata": {"ownerReferences": [*owners]}}:
            for owner in owners:
                if owner["kind"] == "ReplicaSet" and owner.get("controller"):
                    return str(owner["uid"])
    raise ValueError("no ReplicaSet controls it")


def check_fresh(pod: Pod, environ: Mapping[str, str]) -> None:
    """Refuse a `model-config` from before the pod's template was written.

    The promoter writes `model-config` first; a kubelet may hand a container what it read earlier.

    Raises:
        StaleConfig: it is. The next start of the container reads it again.
    """
    if pod.promotion and _number(environ.get("PROMOTION", "")) < _number(pod.promotion):
        raise StaleConfig(
            f"model-config is of record {environ.get('PROMOTION') or 'none'}, and this pod's "
            f"template of {pod.promotion}; it is read again at the container's next start"
        )


def pinned(records: BlobStore, replica_set: str) -> Pinned | None:
    """Return what the ReplicaSet serves; None where no pod of it has begun yet.

    Raises:
        StoreUnavailable: the store does not answer.
        PinDamaged: the record can't be read.
    """
    try:
        return _decoded(records.read(_name(replica_set)), records.address(_name(replica_set)))
    except BlobNotFound:
        return None


def read_pinned(path: Path) -> Pinned:
    """Read what this pod was given.

    Raises:
        PinDamaged: it can't be read.
    """
    try:
        return _decoded(path.read_bytes(), str(path))
    except OSError as error:
        raise PinDamaged(f"{path} cannot be read: {error.strerror}") from error


def _decoded(data: bytes, place: str) -> Pinned:
    try:
        return msgspec.json.decode(data, type=Pinned)
    except msgspec.MsgspecError as error:
        raise PinDamaged(
            f"{place} says nothing of a release: {error}",
            hint="kubectl rollout restart makes another ReplicaSet, which takes model-config",
        ) from error


def pin(records: BlobStore, replica_set: str, choice: Pinned) -> Pinned:
    """Record what the ReplicaSet serves, and return what it does: the first to record it decides.

    Raises:
        StoreUnavailable: the store does not answer.
    """
    try:
        records.create(_name(replica_set), msgspec.json.encode(choice))
    except BlobConflict:
        return pinned(records, replica_set) or choice
    return choice


def _name(replica_set: str) -> str:
    return f"served/{replica_set}"


def _number(stamp: str) -> int:
    """Return the number of a record that is stamped as `<number>@<digest>`; -1 for none."""
    number = stamp.partition("@")[0]
    return int(number) if number.isdecimal() else -1
