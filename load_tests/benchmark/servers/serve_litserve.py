"""LitServe with batching: 64 requests, 5 ms (https://lightning.ai/docs/litserve)."""

# What it imports is in an environment of its own.
# mypy: disable-error-code="import-not-found, misc, untyped-decorator"

import os
import sys
from typing import Any

import litserve
from predictor import load


class Classifier(litserve.LitAPI):
    """A batch of requests a call; each may hold several rows."""

    def setup(self, device: str) -> None:  # noqa: ARG002 - LitServe passes it
        """Load the model."""
        self._predict = load(os.environ["BENCH_MODEL"])

    def decode_request(self, request):  # type: ignore[no-untyped-def]  # noqa: ANN001, ANN201 - below
        """Take the rows out of a request; what is annotated, LitServe hands over unparsed."""
        return request["instances"]

    def batch(self, inputs: list[Any]) -> Any:
        """Join the rows of several requests."""
        return inputs

    def predict(self, x: list[Any]) -> list[Any]:
        """Predict the rows of all requests at once."""
        given = iter(self._predict([row for rows in x for row in rows]).tolist())
        return [[next(given) for _ in rows] for rows in x]

    def unbatch(self, output: list[Any]) -> list[Any]:
        """Give each request its own."""
        return output

    def encode_response(self, output: Any) -> Any:
        """Wrap the answer."""
        return {"predictions": output}


if __name__ == "__main__":
    api = Classifier(max_batch_size=64, batch_timeout=0.005)
    litserve.LitServer(api, accelerator="cpu").run(
        host="127.0.0.1", port=int(sys.argv[1]), generate_client_file=False
    )
