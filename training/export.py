"""From a fitted estimator to a model file, with parity proven."""

import time
import warnings
from dataclasses import dataclass
from statistics import median
from typing import Any

import msgspec
import numpy as np
import onnx
from skl2onnx import to_onnx
from skl2onnx.common.data_types import DoubleTensorType, FloatTensorType

from artifacts.digests import sha256_hex
from artifacts.errors import CorruptModelFile
from artifacts.model import INPUT_NAME, OUTPUT_NAME, Model, ModelCard, load_model
from artifacts.model_writer import write_model
from training.errors import NotExportable
from training.parity import compare
from training.table import Rows

OPSET = {"": 21, "ai.onnx.ml": 3}
TIMED_CALLS = 50


@dataclass(frozen=True)
class ModelFile:
    """A model file, its digest, and the model that it holds."""

    data: bytes
    sha256: str
    model: Model

    @property
    def card(self) -> ModelCard:
        """What the file says of itself."""
        return self.model.card


@dataclass(frozen=True)
class Exported:
    """An estimator as a graph that answers as it does, and a card that lacks the metrics."""

    graph: onnx.ModelProto
    file: ModelFile

    def released(self, metrics: dict[str, float]) -> ModelFile:
        """Return the file to release, which also names its metrics and passes its own check."""
        card = msgspec.structs.replace(self.file.card, metrics=metrics)
        released = _file(self.graph, card)
        released.model.check_golden()
        return released


def export(estimator: Any, card: ModelCard, asked: Rows) -> Exported:
    """Make a model file of the estimator and prove it on the rows `asked`.

    Raises:
        NotExportable: there is no ONNX form of the estimator.
        ParityMissed: the file answers otherwise than the estimator does.
    """
    graph = _to_graph(estimator, card)
    try:
        model = _file(graph, card).model
    except (CorruptModelFile, onnx.checker.ValidationError) as error:
        raise _not_exportable(card, error) from error
    parity = compare(model, estimator, asked)
    return Exported(graph, _file(graph, msgspec.structs.replace(card, parity=parity)))


def seconds_a_call(model: Model) -> float:
    """Return how long the model takes for one row: the median of some calls."""
    row = np.array(model.card.golden.rows[:1])
    times = []
    for _ in range(TIMED_CALLS):
        started = time.perf_counter()
        model.predict(row)
        times.append(time.perf_counter() - started)
    return median(times)


def _to_graph(estimator: Any, card: ModelCard) -> onnx.ModelProto:
    tensor = {"float32": FloatTensorType, "float64": DoubleTensorType}[card.input_dtype]
    try:
        with warnings.catch_warnings():
            # The converter still reads what scikit-learn 1.9 began to retire.
            warnings.filterwarnings("ignore", "Attribute `prob[AB]_` was deprecated", FutureWarning)
            graph = to_onnx(
                estimator,
                initial_types=[(INPUT_NAME, tensor([None, len(card.features)]))],
                options={"zipmap": False},
                target_opset=OPSET,
            )
    # The converter raises what it likes: RuntimeError, its own, whatever a strange estimator does.
    except Exception as error:
        raise _not_exportable(card, error) from error
    assert isinstance(graph, onnx.ModelProto)
    if OUTPUT_NAME not in [output.name for output in graph.graph.output]:
        raise NotExportable(f"{card.estimator} gives no probabilities")
    return graph


def _not_exportable(card: ModelCard, error: Exception) -> NotExportable:
    reason = (str(error).strip().splitlines() or [type(error).__name__])[0]
    return NotExportable(
        f"{card.estimator} can't be made into a {card.input_dtype} model file: {reason[:300]}",
        hint="it must be a classifier with predict_proba that skl2onnx knows",
    )


def _file(graph: onnx.ModelProto, card: ModelCard) -> ModelFile:
    data = write_model(graph, card)
    return ModelFile(data, sha256_hex(data), load_model(data))
