"""What the gateway knows of a release: only what an inference instance told it."""

import re
from collections.abc import Callable
from math import inf
from typing import NamedTuple

import msgspec
from msgspec import UNSET

from serving.gateway.schema import ModelDescription, ModelId

_goes_into_a_header = re.compile(r"[\x20-\x7e]+").fullmatch

Probabilities = tuple[float, ...]
"""Of one row, in the order of the model's labels."""


class ReleaseId(NamedTuple):
    """What tells two releases apart: the headers that each answer of an instance carries."""

    version: str
    sha256: str


NO_RELEASE = ReleaseId("", "")


class ServedModel:
    """The release that an instance serves, in the shapes that the hot path wants."""

    def __init__(self, raw: bytes) -> None:
        """Read what `GET /v1/model` of an instance answered.

        Raises:
            ValueError: it is no description of a model.
        """
        description = msgspec.json.decode(raw, type=ModelDescription)
        if not _goes_into_a_header(description.version):
            raise ValueError(f"{description.version!r} can't be said in a header")
        self.raw = raw
        self.id = ModelId(description.name, description.version, description.sha256)
        self.release = ReleaseId(description.version, description.sha256)
        self.labels = description.labels
        self.encoded_id = msgspec.Raw(msgspec.json.encode(self.id))
        self.by_label = _by_label(description.labels)
        """Makes of probabilities, in the order of the labels, an object with a field for each."""
        self.training_shares = _shares(description.label_counts or {})
        """Of the training rows, by label; empty where they are not known."""
        self.features = tuple(feature.name for feature in description.features)
        self.ranges = [
            (
                feature.name,
                -inf if feature.minimum is UNSET else feature.minimum,
                inf if feature.maximum is UNSET else feature.maximum,
            )
            for feature in description.features
        ]


def _shares(counts: dict[str, int]) -> dict[str, float]:
    rows = sum(counts.values())
    return {label: count / rows for label, count in counts.items()} if rows else {}


def _by_label(labels: list[str]) -> Callable[..., object]:
    """Return the type of the probabilities: a struct is encoded in half the time of a dict."""
    fields = [(f"p{i}", float, msgspec.field(name=label)) for i, label in enumerate(labels)]
    try:
        return msgspec.defstruct("Probabilities", fields, frozen=True, gc=False)
    except ValueError:  # a label holds what msgspec puts into no name, such as a quote
        return lambda *probabilities: dict(zip(labels, probabilities, strict=True))


class Origin(NamedTuple):
    """What a call is made for: the first of its requests."""

    request_id: str
    traceparent: str = ""
    logged: bool = False
    """Whether the call has a line in the log of inference, as one of its requests has one here."""


class Answered(NamedTuple):
    """The probabilities of some rows, and the release that gave them."""

    model: ServedModel
    probabilities: list[Probabilities]
