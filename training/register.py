"""A model that was made elsewhere becomes a version with a model file.

Where the model is a version of ours that only lacks its file, that version is completed; the
digest is its last tag, so a version is never half complete. Any other model becomes the next one.
"""

import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from artifacts.errors import IrisError
from artifacts.store import Store
from training.estimators import check_file, check_skops, is_skops, load_pickle, load_skops
from training.foreign import release_of
from training.record import log_estimator, version_tags
from training.table import Table
from training.tracking import LoggedModel, Tracking
from training.train import Registered, keep


@dataclass(frozen=True)
class Terms:
    """On what terms a model from elsewhere is taken in."""

    reference: Table
    """Rows like those that it was trained on."""
    labels: Sequence[str] | None = None
    """The names of its classes in its order; None: they say it themselves."""
    trust: bool = False
    """Whether a pickle may be loaded, which runs whatever code it holds."""


@dataclass(frozen=True)
class Arrival:
    """A model from elsewhere, loaded, and what MLflow has of it already."""

    estimator: Any
    source: str
    logged: LoggedModel | None = None
    version: int | None = None


def register(uri: str, terms: Terms, store: Store, tracking: Tracking) -> Registered:
    """Register a model that somebody logged with MLflow."""
    version = tracking.own_version(uri)
    if version is not None and tracking.has_release(version):
        raise IrisError(
            f"version {version} has its model file already", hint=f"iris promote {version}"
        )
    with tempfile.TemporaryDirectory() as folder:
        fetched = tracking.fetch(uri, folder)
        estimator = _load(fetched.file, skops=fetched.format == "skops", trust=terms.trust)
    return _take_in(Arrival(estimator, uri, fetched.logged, version), terms, store, tracking)


def import_file(path: Path, terms: Terms, store: Store, tracking: Tracking) -> Registered:
    """Register a model that lies in a file: skops, or a pickle of any kind."""
    check_file(path, trust=terms.trust)
    estimator = _load(path, skops=is_skops(path), trust=terms.trust)
    check_skops(estimator)
    return _take_in(Arrival(estimator, path.name), terms, store, tracking)


def _load(path: Path, *, skops: bool, trust: bool) -> Any:
    return load_skops(path) if skops else load_pickle(path, trust=trust)


def _take_in(arrival: Arrival, terms: Terms, store: Store, tracking: Tracking) -> Registered:
    file, notes = release_of(arrival.estimator, terms.reference, terms.labels)
    known = tracking.version_of(file.sha256)
    if known is not None:
        return Registered(known, new=False, file=file, notes=notes)
    keep(terms.reference, store)
    with tracking.run("register") as run_id:
        tracking.log(
            tags={"iris.source": arrival.source},
            metrics={f"reference_{name}": value for name, value in file.card.metrics.items()},
        )
        tracking.log_release(file.data)
        logged = arrival.logged
        if logged is None:
            rows = terms.reference.columns(feature.name for feature in file.card.features)
            logged = log_estimator(tracking, arrival.estimator, rows)
    # Gates have no data of its own to measure it on; this is the table that it was measured on.
    tags = version_tags(file, run_id) | {"iris.reference_sha256": terms.reference.sha256}
    if arrival.version is None:
        version = tracking.register(logged, run_id, tags)
    else:
        version = arrival.version
        tracking.complete(version, tags)
    return Registered(version, new=True, file=file, notes=notes)
