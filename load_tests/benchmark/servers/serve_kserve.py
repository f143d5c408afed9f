"""KServe's Python server with a custom model (https://kserve.github.io/website/)."""

# What it imports is in an environment of its own.
# mypy: disable-error-code="import-not-found, misc, untyped-decorator"

import os
import sys
from typing import Any

from kserve import Model, ModelServer
from predictor import load


class Classifier(Model):
    """A request a call: KServe leaves batching to an agent beside the server."""

    def __init__(self) -> None:
        super().__init__("iris")
        self._predict = load(os.environ["BENCH_MODEL"])
        self.ready = True

    def predict(self, payload: Any, *_: Any, **__: Any) -> Any:
        """Predict the rows of one request."""
        return {"predictions": self._predict(payload["instances"]).tolist()}


if __name__ == "__main__":
    ModelServer(http_port=int(sys.argv[1]), enable_grpc=False, access_log_format=None).start(
        [Classifier()]
    )
