"""The API's types: they decode requests, encode answers, and make the OpenAPI document.

What may be absent is `UnsetType` and never null, which OpenAPI 3.0 has no type for.
"""

from typing import Annotated

from msgspec import UNSET, Meta, Struct, UnsetType

# Models square and sum what they are given. Up to here the result is a number, in float32 too; one
# that is none would fail the call, and with it every row that shares it.
LARGEST = 1e15

Row = list[float]
_Value = Annotated[float, Meta(ge=-LARGEST, le=LARGEST)]
_Values = list[_Value]
NamedRow = dict[str, _Value]

EXAMPLE = [
    [5.1, 3.5, 1.4, 0.2],
    {"sepal_length": 6.2, "sepal_width": 2.9, "petal_length": 4.3, "petal_width": 1.3},
]


class PredictRequest(Struct, frozen=True, forbid_unknown_fields=True):
    """Flowers to classify: a row each, as an array or with named features, also mixed."""

    instances: Annotated[
        list[_Values | NamedRow],
        Meta(
            min_length=1,
            description="The rows, at least one. Numbers, from -1e15 to 1e15; a string is none.",
            extra_json_schema={"example": EXAMPLE},
        ),
    ]


class ModelId(Struct, frozen=True):
    """The release that answered."""

    name: Annotated[str, Meta(description="The registered model.")]
    version: Annotated[str, Meta(description="Its version, as in the header `X-Model-Version`.")]
    sha256: Annotated[str, Meta(description="The digest of the model file.")]


class Prediction(Struct, frozen=True):
    """The answer for one row."""

    label: Annotated[str, Meta(description="The most probable class.")]
    index: Annotated[int, Meta(description="Its place among the model's labels, from 0.")]
    probabilities: Annotated[dict[str, float], Meta(description="One a label; they add up to 1.")]


class RangeWarning(Struct, frozen=True):
    """A value that the model saw nothing like in training; the row was answered all the same."""

    row: Annotated[int, Meta(description="The row's place in the request, from 0.")]
    field: Annotated[str, Meta(description="The feature.")]
    value: Annotated[float, Meta(description="What was sent.")]
    minimum: Annotated[float, Meta(description="The smallest value in the training rows.")]
    maximum: Annotated[float, Meta(description="The largest value in the training rows.")]
    detail: Annotated[str, Meta(description="The warning as a sentence.")]


class PredictAnswer(Struct, frozen=True):
    """A prediction for each row, in the order of the request, all by one release."""

    model: ModelId
    predictions: list[Prediction]
    warnings: Annotated[
        list[RangeWarning] | UnsetType, Meta(description="Only where there are any.")
    ] = UNSET


class Feature(Struct, frozen=True):
    """A feature with what the training rows held of it."""

    name: str
    unit: str = ""
    minimum: float | UnsetType = UNSET
    maximum: float | UnsetType = UNSET


class Golden(Struct, frozen=True):
    """Rows with the probabilities that the trained estimator gave for them."""

    rows: list[Row]
    probabilities: list[list[float]]


class ModelDescription(Struct, frozen=True):
    """What is serving, as the inference service itself says."""

    name: str
    version: str
    sha256: str
    features: list[Feature]
    labels: list[str]
    label_counts: Annotated[
        dict[str, int] | UnsetType,
        Meta(description="The training rows by label; absent where they are not known."),
    ] = UNSET
    blob: str = ""
    since: str = ""
    estimator: str = ""
    input_dtype: str = ""
    metrics: dict[str, float] = {}
    golden: Golden | UnsetType = UNSET
    verified: bool = False


class FieldError(Struct, frozen=True, kw_only=True):
    """One fault of a request."""

    row: Annotated[int | UnsetType, Meta(description="The row's place in the request, from 0.")] = (
        UNSET
    )
    field: Annotated[str | UnsetType, Meta(description="The feature or field.")] = UNSET
    detail: Annotated[str, Meta(description="What is wrong, and what would be right.")]


class ProblemDetails(Struct, frozen=True, omit_defaults=True):
    """An error after RFC 9457."""

    type: Annotated[str, Meta(description="The page of this kind of problem: what to do about it.")]
    title: str
    status: int
    detail: str
    request_id: Annotated[str, Meta(description="As in the header `X-Request-Id`.")]
    errors: Annotated[list[FieldError], Meta(description="The faults, by row and field.")] = []


class Live(Struct, frozen=True):
    """The process runs."""

    status: str = "live"


class Readiness(Struct, frozen=True, omit_defaults=True):
    """Whether a request would be answered now."""

    status: str
    generation: Annotated[int, Meta(description="Of the list of instances that calls go to.")]
    instances: Annotated[int, Meta(description="How many of them are ready.")]
