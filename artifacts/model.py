"""The model file: read, verified, run. The one module that imports ONNX Runtime.

A model file is an ONNX graph with one input, `rows` (float32 or float64, shape (n, features)), and
an output `probabilities` (shape (n, classes)). What it says of itself stands as JSON in its
metadata (`metadata_props` of the ONNX specification) under `METADATA_KEY`. Reading it runs no code.
"""

from typing import Literal

import msgspec
import numpy as np
import onnxruntime as ort
from numpy.typing import NDArray
from onnxruntime.capi import onnxruntime_pybind11_state as ort_errors

from artifacts.errors import CorruptModelFile
from artifacts.model_bytes import check_bytes

METADATA_KEY = "iris.card"
INPUT_NAME = "rows"
OUTPUT_NAME = "probabilities"

# The largest difference that a probability may show against the golden one, by input type. ONNX
# Runtime does not promise the same bits for a row alone and in a batch.
TOLERANCE = {"float64": 1e-12, "float32": 1e-6}

_ORT_ERRORS = (
    ort_errors.EPFail,
    ort_errors.Fail,
    ort_errors.InvalidArgument,
    ort_errors.InvalidGraph,
    ort_errors.InvalidProtobuf,
    ort_errors.NoSuchFile,
    ort_errors.NotImplemented,
    ort_errors.RuntimeException,
    UnicodeDecodeError,  # the text of one of the errors above, where it quotes altered bytes
)


class Histogram(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Counts of the training rows in bins; `edges` holds one more than `counts`."""

    edges: list[float]
    counts: list[int]


class Feature(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """One column: its name, its unit, the range it was trained on, and how it was spread there."""

    name: str
    unit: str
    minimum: float
    maximum: float
    histogram: Histogram


class Parity(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """How the file compares with the estimator it was made from, on `rows` rows."""

    rows: int
    differing_labels: int
    largest_difference: float


class Golden(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Rows, and the probabilities that the trained estimator itself gave for them."""

    rows: list[list[float]]
    probabilities: list[list[float]]


class ModelCard(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """What a model file says of itself. None stands for what could not be known.

    A file of schema 1 has no `label_counts`.
    """

    schema: Literal[1, 2] = 2
    name: str
    estimator: str
    features: list[Feature]
    labels: list[str]
    """The classes, in the order of the probabilities."""
    label_counts: list[int] | None = None
    """How many of the training rows had each of them, in the same order."""
    input_dtype: Literal["float32", "float64"]
    metrics: dict[str, float]
    libraries: dict[str, str]
    data_sha256: str | None
    split_salt: str | None
    seed: int | None
    parity: Parity
    golden: Golden


class Model:
    """A model file, loaded. Calls from several threads at once are safe."""

    def __init__(self, session: ort.InferenceSession, card: ModelCard, sha256: str) -> None:
        self._session = session
        self._dtype = np.dtype(card.input_dtype)
        self.card = card
        self.sha256 = sha256

    def predict(self, rows: NDArray[np.float64]) -> NDArray[np.float64]:
        """Return the probability of each class for each row.

        Args:
            rows: shape (n, features), in the card's order.

        Returns:
            Shape (n, classes), in the order of the card's labels. The label is the largest.
        """
        inputs = {INPUT_NAME: rows.astype(self._dtype, copy=False)}
        (probabilities,) = self._session.run([OUTPUT_NAME], inputs)
        return np.asarray(probabilities, dtype=np.float64)

    def check_golden(self) -> None:
        """Prove that this machine computes what the training machine computed.

        Raises:
            CorruptModelFile: a golden row gives other probabilities than the estimator gave.
        """
        golden, tolerance = self.card.golden, TOLERANCE[self.card.input_dtype]
        expected = np.array(golden.probabilities)
        try:
            found = self.predict(np.array(golden.rows))
        except _ORT_ERRORS as error:
            raise _corrupt(f"it does not run ({_first_line(error)})") from error
        if found.shape != expected.shape:
            raise _corrupt(f"it gives {found.shape} probabilities for the {expected.shape} golden")
        # What the export itself lost is known, and bounded there.
        allowed = tolerance + self.card.parity.largest_difference
        difference = float(np.max(np.abs(found - expected), initial=0.0))
        if not difference <= allowed:  # also where it is not a number
            raise CorruptModelFile(
                f"the golden rows differ by {difference:.1e} where {allowed:.1e} is allowed",
                hint="this machine or its ONNX Runtime computes something else than the training "
                "machine did; do not serve from it",
            )


def load_model(data: bytes, sha256: str | None = None, *, threads: int = 1) -> Model:
    """Load a model file.

    Args:
        data: the file.
        sha256: the digest that it must have, where one is known.
        threads: how many threads one call may use.

    Raises:
        DigestMismatch: `data` is another file.
        PickleRefused: `data` is a pickle.
        CorruptModelFile: `data` is no model file, or a part of one.
    """
    found = check_bytes(data, sha256)
    session = _session(data, threads)
    card = _card(session)
    _check_shape(session, card)
    return Model(session, card, found)


def _session(data: bytes, threads: int) -> ort.InferenceSession:
    options = ort.SessionOptions()
    options.intra_op_num_threads = threads
    options.inter_op_num_threads = 1
    options.log_severity_level = 4  # what goes wrong is raised, and said once
    try:
        return ort.InferenceSession(
            data,
            options,
            providers=["CPUExecutionProvider"],
            enable_fallback=0,  # it would print, and try the same provider again
        )
    except _ORT_ERRORS as error:
        raise _corrupt(f"ONNX Runtime refuses it ({_first_line(error)})") from error


def _card(session: ort.InferenceSession) -> ModelCard:
    try:
        text = session.get_modelmeta().custom_metadata_map[METADATA_KEY]
        return msgspec.json.decode(text, type=ModelCard)
    except KeyError:
        raise _corrupt(f"it has no {METADATA_KEY!r} in its metadata") from None
    except (UnicodeDecodeError, msgspec.DecodeError) as error:
        raise _corrupt(f"what it says of itself is not valid ({error})") from error


def _check_shape(session: ort.InferenceSession, card: ModelCard) -> None:
    inputs = [(i.name, i.type, i.shape[1:]) for i in session.get_inputs()]
    kind = {"float32": "tensor(float)", "float64": "tensor(double)"}[card.input_dtype]
    if inputs != [(INPUT_NAME, kind, [len(card.features)])]:
        raise _corrupt(f"its inputs are {inputs}, which is not what it says of itself")
    outputs = {o.name: (o.type, len(o.shape)) for o in session.get_outputs()}
    if outputs.get(OUTPUT_NAME) not in (("tensor(float)", 2), ("tensor(double)", 2)):
        raise _corrupt(f"its outputs are {outputs}, with no {OUTPUT_NAME!r} for rows and classes")
    golden = card.golden
    shapes = (
        {len(row) for row in golden.rows} == {len(card.features)},
        {len(row) for row in golden.probabilities} == {len(card.labels)},
        len(golden.rows) == len(golden.probabilities),
    )
    if not all(shapes):
        raise _corrupt("its golden rows are missing or of another shape than the model")
    counts = card.label_counts
    if counts is None:
        return
    if len(counts) != len(card.labels) or any(count < 0 for count in counts) or sum(counts) == 0:
        raise _corrupt(f"the counts of its {len(card.labels)} labels are {counts}")


def _corrupt(reason: str) -> CorruptModelFile:
    return CorruptModelFile(
        f"this is no whole model file of ours: {reason}",
        hint="make one with iris train, iris register or iris import",
    )


def _first_line(error: Exception) -> str:
    return (str(error).splitlines() or [type(error).__name__])[0][:200]
