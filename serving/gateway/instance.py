"""One inference instance as the gateway sees it: whether it is ready, and what it serves."""

import asyncio
import logging
from collections.abc import Callable, Sequence

from serving.gateway.inference import (
    Inference,
    InferenceBusy,
    InferenceError,
    InferenceFailed,
    InferenceUnreachable,
)
from serving.gateway.models import Answered, Origin, ServedModel
from serving.gateway.schema import Row

LOOK_S = 0.1  # how often an instance that is not ready is asked whether it is now
PROBE_LOOKS = 10  # one that is ready is asked after this many looks, or once a call found it gone
PROBE_TIMEOUT_S = 2.0

log = logging.getLogger(__name__)


class Instance:
    """One inference instance, and what is known of it."""

    def __init__(self, inference: Inference, changed: Callable[[], None]) -> None:
        """Take the client, and what is to be called when `ready` or `model` has changed."""
        self.inference = inference
        self._changed = changed
        self.model: ServedModel | None = None
        self.ready = False
        self.fails = False
        """Whether its latest call came to nothing, or not in time. A probe that finds it ready
        forgets that, so about one call a second tries it again."""
        self.in_flight = 0

    async def watch(self) -> None:
        """Keep `ready` and `model` up to date, until cancelled."""
        try:
            while True:
                await self._probe()
                for _ in range(PROBE_LOOKS):
                    await asyncio.sleep(LOOK_S)
                    if not self.ready:
                        break
        finally:
            self.inference.close()

    async def predict(
        self, rows: list[Row], features: Sequence[str], timeout_s: float, origin: Origin
    ) -> Answered:
        """Return what this instance gives for the rows, with the very release that gave it.

        Raises:
            InferenceError: it gave nothing that can be used.
        """
        self.in_flight += 1
        try:
            given = await self.inference.predict(rows, timeout_s, origin)
            model = self.model
            if model is None or model.release != given.release:
                model = await self._describe()
        except asyncio.CancelledError:  # its time is over
            self.fails = True
            raise
        except InferenceError as error:
            self.fails = True
            if isinstance(error, InferenceUnreachable):
                self._set_ready(error)
            raise
        finally:
            self.in_flight -= 1
        self.fails = False
        if model.release != given.release or model.features != features:
            raise InferenceBusy(f"{self.inference.url} changed its release during the call")
        if len(given.probabilities[0]) != len(model.labels):
            raise InferenceFailed(f"{self.inference.url} gave no probability for each label")
        return Answered(model, given.probabilities)

    async def _probe(self) -> None:
        try:
            async with asyncio.timeout(PROBE_TIMEOUT_S):
                release = await self.inference.readiness()
                if self.model is None or self.model.release != release:
                    await self._describe()
        except InferenceError as error:
            self._set_ready(error)
        except TimeoutError:
            self._set_ready(InferenceUnreachable(f"no answer within {PROBE_TIMEOUT_S} s"))
        else:
            self.fails = False
            self._set_ready(None)

    async def _describe(self) -> ServedModel:
        self.model = model = await self.inference.describe()
        self._changed()
        return model

    def _set_ready(self, error: InferenceError | None) -> None:
        ready = error is None
        if ready is not self.ready:
            fields = {"instance": self.inference.url}
            if self.model is not None:
                fields |= self.model.release._asdict()
            if error is None:
                log.info("an instance is ready", extra=fields)
            else:
                log.warning("an instance is not ready", extra={**fields, "error": error.message})
            self.ready = ready
            self._changed()
