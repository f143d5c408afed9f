"""`python -m serving.download_model`: put the release's file where the inference service loads it.

The program of the init container, and what the supervisor runs before it starts a process. It
imports neither BentoML nor ONNX Runtime.
"""

import logging
import os
import sys
import time
from collections.abc import Callable, Mapping
from pathlib import Path

import msgspec

from artifacts.errors import IrisError, ModelFileError, SettingsError, StoreUnavailable
from artifacts.files import write_whole
from artifacts.model_bytes import check_bytes
from artifacts.release import Release, asked_for
from artifacts.settings import HomeSettings, load
from artifacts.store import BlobStore, Store, open_store
from serving import replica_set
from serving.logs import log_end, start_logging
from serving.replica_set import Pinned, Pod, PodUnknown, StaleConfig
from serving.supervisor.home import Home
from serving.supervisor.state import read_state

log = logging.getLogger("serving.download_model")  # also where it is run, as `__main__`

# Between attempts. Federated tokens fail for a short while after they were made.
PAUSES_S = (0.2, 1.0, 3.0, 8.0)
# What another start may mend; whoever waits for the rollout does not give it up for these.
_PASSING = (StoreUnavailable, PodUnknown, StaleConfig)


class DownloadSettings(HomeSettings, frozen=True, kw_only=True):
    """Which store to fetch from, and where to put the file.

    The release comes from `MODEL_VERSION`, `MODEL_BLOB_NAME` and `MODEL_SHA256`; where there is no
    `MODEL_PATH`, it is the one that the supervisor of an `IRIS_HOME` that is set serves.
    """

    model_path: str = ""
    """Where the file goes. Empty: where the supervisor of `IRIS_HOME` looks for it."""
    model_release: str = ""
    """In a cluster: where to write which release the file is of. What the pod's ReplicaSet serves
    decides then, and the variables only for its first pod."""
    pod_namespace: str = ""
    """In a cluster: the pod's namespace."""
    pod_name: str = ""
    """In a cluster: the pod's name."""
    pod_promotion: str = ""
    """In a cluster: the record under which the pod's template was last written."""
    pod_release: str = ""
    """In a cluster: the release that the template was written for."""

    @property
    def pod(self) -> Pod:
        """This pod."""
        return Pod(self.pod_namespace, self.pod_name, self.pod_promotion, self.pod_release)


def wanted(settings: DownloadSettings, environ: Mapping[str, str]) -> tuple[Release, Path] | None:
    """Return which release's file is to be fetched, and where it goes; None where nothing serves.

    Raises:
        SettingsError: the environment names no release, or a wrong one.
        StateLost: what the supervisor keeps can't be read.
    """
    if settings.model_path:
        return Release.from_environ(environ), Path(settings.model_path)
    if "IRIS_HOME" not in environ:
        raise SettingsError("MODEL_PATH is not set, nor is the IRIS_HOME of a supervisor")
    home = Home(settings.home)
    state = read_state(home.state)
    # As the supervisor begins: with what served last, since it is known to work.
    release = state.served or state.release
    return None if release is None else (release, home.model_path(release))


def download(
    models: BlobStore, release: Release, path: Path, pause: Callable[[float], None] = time.sleep
) -> str:
    """Make sure that `path` holds the release's file, whole and with the right digest.

    A file that is there already and has the digest stays: a container's volume outlives a restart
    of its node, and the store may be away by then.

    Returns:
        The file's digest.

    Raises:
        StoreError: the store has no such blob, or did not answer in all the attempts.
        ModelFileError: the blob is a pickle or another file, or `path` can't be written.
    """
    if release.sha256 is not None and _holds(path, release.sha256):
        return release.sha256
    data = _read(models, release.blob, pause)
    digest = check_bytes(data, release.sha256, what=models.address(release.blob))
    try:
        write_whole(path, data)
    except OSError as error:
        raise ModelFileError(
            f"{path} cannot be written: {error.strerror}",
            hint="check the folder's rights and the disk's free space",
        ) from error
    return digest


def download_pinned(
    store: Store, settings: DownloadSettings, environ: Mapping[str, str], uid: Callable[[], str]
) -> Release:
    """Fetch what the pod's ReplicaSet serves, and leave word of which release that is.

    What the pod was given once stays, so that it comes back after its node was restarted, with API
    server and store or without.

    Args:
        store: what releases are fetched from, and where ReplicaSets' are recorded.
        settings: where the file and the word go.
        environ: names the release that the first pod takes.
        uid: asks for the ReplicaSet.

    Raises:
        PodUnknown, StaleConfig: see `serving.replica_set`.
        IrisError: see `download`.
    """
    place, path = Path(settings.model_release), Path(settings.model_path)
    if place.exists():
        choice = replica_set.read_pinned(place)
    else:
        mine = uid()
        choice = replica_set.pinned(store.records, mine) or replica_set.pin(
            store.records, mine, _first_choice(store.models, settings, environ)
        )
    release = msgspec.structs.replace(choice.release, sha256=choice.sha256)
    download(store.models, release, path)
    write_whole(place, msgspec.json.encode(choice))
    return release


def _first_choice(
    models: BlobStore, settings: DownloadSettings, environ: Mapping[str, str]
) -> Pinned:
    """Take the release that the cluster is asked for, with the digest that is found."""
    replica_set.check_fresh(settings.pod, environ)
    release = asked_for(environ, settings.pod_release)
    if release is None:
        raise SettingsError(
            "nothing was promoted here yet, so there is no file to fetch",
            hint="iris promote VERSION makes new pods, which serve it",
        )
    return Pinned(release, download(models, release, Path(settings.model_path)))


def _holds(path: Path, sha256: str) -> bool:
    try:
        check_bytes(path.read_bytes(), sha256)
    except (OSError, ModelFileError):
        return False
    return True


def _read(models: BlobStore, name: str, pause: Callable[[float], None]) -> bytes:
    for seconds in PAUSES_S:
        try:
            return models.read(name)
        except StoreUnavailable as error:
            fields = {"error": error.message, "pause_s": seconds}
            log.warning("the store does not answer; it is asked again", extra=fields)
            pause(seconds)
    return models.read(name)


def main() -> int:
    """Fetch the file that the environment names; return the exit code.

    75, `EX_TEMPFAIL` of sysexits.h, where another start may go better.
    """
    began = time.monotonic()
    try:
        start_logging("download-model")
        settings = load(DownloadSettings)
        store = open_store(settings.store_uri)
        if settings.model_release:
            path = Path(settings.model_path)
            release = download_pinned(store, settings, os.environ, settings.pod.replica_set)
            digest = release.sha256
        else:
            found = wanted(settings, os.environ)
            if found is None:
                log.info("nothing was promoted yet, so there is no file to fetch")
                return 0
            release, path = found
            digest = download(store.models, release, path)
    except IrisError as error:
        log_end(log, error)
        return os.EX_TEMPFAIL if isinstance(error, _PASSING) else error.exit_code
    fields = {
        "version": release.version,
        "blob": release.blob,
        "sha256": digest,
        "path": str(path),
        "duration_ms": round((time.monotonic() - began) * 1000),
    }
    log.info("the model file is in its place", extra=fields)
    return 0


if __name__ == "__main__":
    sys.exit(main())
