"""mosec: a Rust front that batches for a Python worker (https://mosecorg.github.io/mosec/).

`max_batch_size` and `max_wait_time` are its own levers for batching: 64 requests, 2 ms.
"""

# What it imports is in an environment of its own.
# mypy: disable-error-code="import-not-found, misc, untyped-decorator"

import os
from typing import Any

from mosec import Server, Worker
from predictor import load


class Classifier(Worker):
    """A batch of requests a call; each may hold several rows."""

    def __init__(self) -> None:
        super().__init__()
        self._predict = load(os.environ["BENCH_MODEL"])

    def forward(self, data: list[Any]) -> list[Any]:
        """Predict the rows of all requests at once."""
        rows = [row for request in data for row in request["instances"]]
        given = iter(self._predict(rows).tolist())
        return [{"predictions": [next(given) for _ in request["instances"]]} for request in data]


if __name__ == "__main__":
    server = Server()
    server.append_worker(Classifier, max_batch_size=64, max_wait_time=2)
    server.run()
