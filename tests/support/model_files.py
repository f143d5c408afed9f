"""Small model files: a linear layer and a softmax, as training would export them."""

from typing import Any, Literal

import msgspec
import numpy as np
import onnx
from numpy.typing import NDArray
from onnx import helper, numpy_helper

from artifacts.model import Feature, Golden, Histogram, ModelCard, Parity
from artifacts.model_writer import write_model

FEATURES = ("sepal_length", "sepal_width", "petal_length", "petal_width")
LABELS = ("setosa", "versicolor", "virginica")
ROWS = [[5.1, 3.5, 1.4, 0.2], [6.2, 2.9, 4.3, 1.3], [7.7, 3.0, 6.1, 2.3]]

PRECISION = {"float64": 0.0, "float32": 1e-5}
"""How far a file may lie from `probabilities`, which is computed in float64."""

# Weights of a logistic regression on the flowers, rounded.
_WEIGHTS = np.array([[-0.4, 0.5, -0.1], [0.9, -0.3, -0.6], [-2.3, -0.2, 2.5], [-1.0, -0.9, 1.9]])
_BIAS = np.array([9.4, 2.0, -11.4])


def probabilities(rows: NDArray[np.float64], tilt: float = 0.0) -> NDArray[np.float64]:
    """Return what the model file of this `tilt` computes."""
    scores = rows @ _WEIGHTS + _BIAS + np.array([tilt, 0.0, 0.0])
    powers = np.exp(scores - scores.max(axis=1, keepdims=True))
    return np.asarray(powers / powers.sum(axis=1, keepdims=True))


def model_file(
    tilt: float = 0.0,
    golden_error: float = 0.0,
    dtype: Literal["float64", "float32"] = "float64",
    **says: Any,
) -> bytes:
    """Return a model file that computes in `dtype`; another `tilt` is another model.

    With a `golden_error` its golden rows do not give its golden probabilities; `says` are fields
    of its card.
    """
    golden = probabilities(np.array(ROWS), tilt)
    golden[0, 0] += golden_error
    card = ModelCard(
        name="iris-classifier",
        estimator="LogisticRegression",
        features=[Feature(n, "cm", 0.1, 8.0, Histogram([0.1, 8.0], [150])) for n in FEATURES],
        labels=list(LABELS),
        input_dtype=dtype,
        metrics={"accuracy": 0.97},
        libraries={"scikit-learn": "1.9.1"},
        data_sha256=None,
        split_salt=None,
        seed=1,
        parity=Parity(rows=15702, differing_labels=0, largest_difference=PRECISION[dtype]),
        golden=Golden(ROWS, golden.tolist()),
    )
    return write_model(_graph(tilt, np.dtype(dtype)), msgspec.structs.replace(card, **says))


def _graph(tilt: float, dtype: np.dtype[Any]) -> onnx.ModelProto:
    weights = numpy_helper.from_array(_WEIGHTS.astype(dtype), "weights")
    bias = numpy_helper.from_array((_BIAS + np.array([tilt, 0.0, 0.0])).astype(dtype), "bias")
    kind = helper.np_dtype_to_tensor_dtype(dtype)
    nodes = [
        helper.make_node("MatMul", ["rows", "weights"], ["product"]),
        helper.make_node("Add", ["product", "bias"], ["scores"]),
        helper.make_node("Softmax", ["scores"], ["probabilities"], axis=1),
    ]
    rows = helper.make_tensor_value_info("rows", kind, [None, 4])
    answer = helper.make_tensor_value_info("probabilities", kind, [None, 3])
    graph = helper.make_graph(nodes, "iris", [rows], [answer], [weights, bias])
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", 21)], ir_version=10)
