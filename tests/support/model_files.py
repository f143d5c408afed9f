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
    graph: onnx.ModelProto | None = None,
    **says: Any,
) -> bytes:
    """Return a model file that computes in `dtype`; another `tilt` is another model.

    With a `golden_error` its golden rows do not give its golden probabilities; a `graph` computes
    them in another way; `says` are fields of its card.
    """
    golden = probabilities(np.array(ROWS), tilt)
    golden[0, 0] += golden_error
    card = ModelCard(
        name="iris-classifier",
        estimator="LogisticRegression",
        features=[Feature(n, "cm", 0.1, 8.0, Histogram([0.1, 8.0], [150])) for n in FEATURES],
        labels=list(LABELS),
        label_counts=[40, 40, 40],
        input_dtype=dtype,
        metrics={"accuracy": 0.97},
        libraries={"scikit-learn": "1.9.1"},
        data_sha256=None,
        split_salt=None,
        seed=1,
        parity=Parity(rows=15702, differing_labels=0, largest_difference=PRECISION[dtype]),
        golden=Golden(ROWS, golden.tolist()),
    )
    graph = graph or _graph(tilt, np.dtype(dtype))
    return write_model(graph, msgspec.structs.replace(card, **says))


def slow_graph(rounds: int) -> onnx.ModelProto:
    """Return the graph of tilt 0 that, before it answers, multiplies matrices so many times."""
    square = helper.make_tensor_value_info("square", onnx.TensorProto.DOUBLE, [128, 128])
    product = helper.make_tensor_value_info("next", onnx.TensorProto.DOUBLE, [128, 128])
    going = helper.make_tensor_value_info("going", onnx.TensorProto.BOOL, [])
    goes_on = helper.make_tensor_value_info("goes_on", onnx.TensorProto.BOOL, [])
    turn = helper.make_tensor_value_info("turn", onnx.TensorProto.INT64, [])
    body = helper.make_graph(
        [
            helper.make_node("MatMul", ["square", "square"], ["next"]),
            helper.make_node("Identity", ["going"], ["goes_on"]),
        ],
        "round",
        [turn, going, square],
        [goes_on, product],
    )
    model = _graph(0.0, np.dtype("float64"))
    model.graph.initializer.extend(
        [
            numpy_helper.from_array(np.array(rounds), "rounds"),
            numpy_helper.from_array(np.array(1, dtype=np.bool_), "true"),
            numpy_helper.from_array(np.array(0.0), "zero"),
            numpy_helper.from_array(np.array([128, 128]), "shape"),
        ]
    )
    # It begins with zeros that are made of the rows, so that nothing can be computed beforehand.
    first = [
        helper.make_node("ReduceSum", ["rows"], ["sum"], keepdims=0),
        helper.make_node("Mul", ["sum", "zero"], ["nothing"]),
        helper.make_node("Expand", ["nothing", "shape"], ["zeros"]),
        helper.make_node("Loop", ["rounds", "true", "zeros"], ["last"], body=body),
        helper.make_node("ReduceSum", ["last"], ["still_nothing"], keepdims=0),
    ]
    return _after(model, first, "still_nothing")


def failing_graph(above: float) -> onnx.ModelProto:
    """Return the graph of tilt 0 that fails where a value of the rows is greater than `above`."""
    model = _graph(0.0, np.dtype("float64"))
    model.graph.initializer.extend(
        [
            numpy_helper.from_array(np.array(above), "above"),
            numpy_helper.from_array(np.array([0.0]), "only"),
        ]
    )
    # Of one value there is none beyond the first: index 1 is out of range.
    check = [
        helper.make_node("ReduceMax", ["rows"], ["most"], keepdims=0),
        helper.make_node("Greater", ["most", "above"], ["too_great"]),
        helper.make_node("Cast", ["too_great"], ["index"], to=onnx.TensorProto.INT64),
        helper.make_node("Gather", ["only", "index"], ["nothing"]),
    ]
    return _after(model, check, "nothing")


def _after(model: onnx.ModelProto, first: list[onnx.NodeProto], nothing: str) -> onnx.ModelProto:
    """Let a graph compute `first`, whose output `nothing` is 0, before it can answer."""
    product, *rest = model.graph.node
    product.output[0] = "plain_product"
    added = helper.make_node("Add", ["plain_product", nothing], ["product"])
    nodes = [*first, product, added, *rest]
    del model.graph.node[:]
    model.graph.node.extend(nodes)
    return model


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
