"""What was really served, sampled: written by gateways, read by the replay gate.

A batch is one blob in the store's `replay` part, under `<environment>/<sha256 of the release>/`.
Its name begins with the moment it was begun; requests may be added for a day from then on.
"""

import datetime as dt
import secrets
from typing import Literal

import msgspec


class Served(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """One request that was answered."""

    at: dt.datetime
    rows: list[list[float]]
    """Shape (n, features), in the order of the batch's features and in their units."""
    probabilities: list[list[float]]
    """Shape (n, classes), in the order of the batch's labels: the answer that the client got."""


class ServedBatch(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """Requests that one release answered, as one blob."""

    schema: Literal[1] = 1
    version: str
    sha256: str
    features: list[str]
    labels: list[str]
    requests: list[Served]


def batch_prefix(environment: str, sha256: str) -> str:
    """Return what the names of all batches of a release begin with."""
    return f"{environment}/{sha256}/"


def batch_name(environment: str, sha256: str, at: dt.datetime) -> str:
    """Return a name of its own for a batch that is begun at that moment (UTC)."""
    stamp = at.astimezone(dt.UTC).strftime("%Y%m%dT%H%M%SZ")
    return f"{batch_prefix(environment, sha256)}{stamp}-{secrets.token_hex(8)}.json"


def begun(name: str) -> str:
    """Return what sorts batches by when they were begun, whatever their release."""
    return name.rpartition("/")[2]


def encode(batch: ServedBatch) -> bytes:
    """Return the bytes of a batch."""
    return msgspec.json.encode(batch)


def decode(data: bytes) -> ServedBatch:
    """Read a batch.

    Raises:
        ValueError: the bytes are none, or of a schema that is not known here.
    """
    return msgspec.json.decode(data, type=ServedBatch)
