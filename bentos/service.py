"""The BentoML service: one batchable API on arrays, with the status routes mounted beside it."""

import asyncio
import gc
import logging

import bentoml
import numpy as np
import pydantic
from bentoml.exceptions import BentoMLException
from numpy.typing import NDArray

from artifacts.errors import IrisError
from artifacts.settings import load
from bentos.codec import Probabilities, Rows
from serving.inference.app import ReleaseHeaders, status_app
from serving.inference.instance import INSTANCE
from serving.inference.metrics import REQUESTS, TellRequests
from serving.inference.settings import InferenceSettings
from serving.inference.warmup import warm_up

logger = logging.getLogger("bentoml.iris")


class Classifier:
    """The classifier of iris flowers, one release a process."""

    def __init__(self) -> None:
        try:
            INSTANCE.load()
        except IrisError:
            # `python -m bentos` ends before this; under `bentoml serve` the process says why.
            _log_failure()

    @bentoml.on_startup  # type: ignore[untyped-decorator] # BentoML exports it lazily, untyped
    async def begin_warm_up(self) -> None:
        """Begin the warm-up, which goes on when the server accepts connections."""
        if INSTANCE.loaded:
            self._warm_up = asyncio.create_task(self._until_warm())

    async def _until_warm(self) -> None:
        try:
            await warm_up(INSTANCE.served, IrisClassifier.url or load(InferenceSettings).own_url)
        except IrisError as error:
            INSTANCE.fail(error)
            _log_failure()
        else:
            # What is there now stays. To look at all of it for garbage again and again takes 75 ms
            # each time, in which nobody is answered.
            gc.collect()
            gc.freeze()
            INSTANCE.warmed()
            served = INSTANCE.served
            fields = {"version": served.release.version, "sha256": served.model.sha256}
            logger.info("the release is ready", extra=fields)

    async def __is_ready__(self) -> bool:
        return INSTANCE.status == "ready"

    @bentoml.api(  # type: ignore[untyped-decorator] # as above
        batchable=True, max_batch_size=1024, input_spec=Rows, output_spec=Probabilities
    )
    async def predict(self, rows: NDArray[np.float64]) -> NDArray[np.float64]:
        """Return the probability of each class for each row."""
        return INSTANCE.served.predict_timed(rows)


IrisClassifier = bentoml.service(
    bentoml.asgi_app(status_app(INSTANCE, REQUESTS))(Classifier),
    name="iris_classifier",
    workers=1,
    traffic={"timeout": 30},
    # BentoML's own /livez and /readyz stay; these are what it leaves out of its logs and limits.
    endpoints={"livez": "/health/live", "readyz": "/health/ready"},
    logging={"access": {"enabled": False}},
    # It has a label for each path that anybody asks for, and costs 50 µs a call; ours are mounted.
    metrics={"enabled": False},
    # Six spans a call, of which nothing is exported, are a third of its time.
    tracing={"excluded_urls": "/predict"},
    envs=[{"name": "BENTOML_DO_NOT_TRACK", "value": "True"}],
)
IrisClassifier.add_asgi_middleware(TellRequests, requests=REQUESTS, instance=INSTANCE)
IrisClassifier.add_asgi_middleware(ReleaseHeaders, instance=INSTANCE)


def _log_failure() -> None:
    logger.error("the release can't be served", extra={"error": INSTANCE.reason})


def is_no_refusal(record: logging.LogRecord) -> bool:
    """Filter: BentoML logs a traceback for each request that it refuses."""
    error = record.exc_info[1] if record.exc_info else None
    refused = isinstance(error, BentoMLException) and error.error_code < 500
    return not (refused or isinstance(error, pydantic.ValidationError))


logging.getLogger("bentoml._internal.server.http_app").addFilter(is_no_refusal)
