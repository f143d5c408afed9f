"""The model as the peers call it: a function from rows to probabilities."""

from collections.abc import Callable
from typing import Any

Predict = Callable[[Any], Any]


def load(path: str) -> Predict:
    """Load a fitted pipeline (`.joblib`) or a model file (`.onnx`), each as its makers advise."""
    if not path.endswith(".onnx"):
        import joblib

        predict: Predict = joblib.load(path).predict_proba
        return predict
    import numpy as np
    import onnxruntime as ort

    options = ort.SessionOptions()
    options.intra_op_num_threads = 1  # as ours; a pool of threads makes so small a model slower
    session = ort.InferenceSession(path, options, providers=["CPUExecutionProvider"])
    return lambda rows: session.run(["probabilities"], {"rows": np.asarray(rows, np.float64)})[0]
