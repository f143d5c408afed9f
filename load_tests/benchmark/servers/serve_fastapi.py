"""FastAPI: a typed body, a plain `def` for work that blocks (https://fastapi.tiangolo.com/async/).

Run by uvicorn with uvloop and httptools, one process, without its access log.
"""

# What it imports is in an environment of its own.
# mypy: disable-error-code="import-not-found"

import os

from fastapi import FastAPI
from predictor import load
from pydantic import BaseModel

predict_proba = load(os.environ["BENCH_MODEL"])
app = FastAPI()


class Flowers(BaseModel):
    """The request."""

    instances: list[list[float]]


class Predictions(BaseModel):
    """The answer."""

    predictions: list[list[float]]


@app.post("/predict")
def predict(flowers: Flowers) -> Predictions:
    """Predict the rows of one request."""
    return Predictions(predictions=predict_proba(flowers.instances).tolist())
