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

from artifacts.errors import IrisError, ModelFileError, SettingsError, StoreUnavailable
from artifacts.files import write_whole
from artifacts.model_bytes import check_bytes
from artifacts.release import Release
from artifacts.settings import HomeSettings, load
from artifacts.store import BlobStore, open_store
from serving.logs import log_end, start_logging
from serving.supervisor.home import Home
from serving.supervisor.state import read_state

log = logging.getLogger("serving.download_model")  # also where it is run, as `__main__`

# Between attempts. Federated tokens fail for a short while after they were made.
PAUSES_S = (0.2, 1.0, 3.0, 8.0)


class DownloadSettings(HomeSettings, frozen=True, kw_only=True):
    """Which store to fetch from, and where to put the file.

    The release comes from `MODEL_VERSION`, `MODEL_BLOB_NAME` and `MODEL_SHA256`; where there is no
    `MODEL_PATH`, it is the one that the supervisor of an `IRIS_HOME` that is set serves.
    """

    model_path: str = ""
    """Where the file goes. Empty: where the supervisor of `IRIS_HOME` looks for it."""


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
    """Fetch the file that the environment names; return the exit code."""
    began = time.monotonic()
    try:
        start_logging("download-model")
        settings = load(DownloadSettings)
        found = wanted(settings, os.environ)
        if found is None:
            log.info("nothing was promoted yet, so there is no file to fetch")
            return 0
        release, path = found
        digest = download(open_store(settings.store_uri).models, release, path)
    except IrisError as error:
        log_end(log, error)
        return error.exit_code
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
