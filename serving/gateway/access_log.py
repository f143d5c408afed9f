"""A line of the log for requests: a share of those that were answered, and each that was refused.

A line that stands for others says for how many, as its `weight`. Of one kind of refusal at most
`serving.logs.LINES` are written a second, so that an overload fills no disk; the next line says how
many were left out.
"""

import logging
from collections.abc import Callable

from serving.gateway.sampling import Sampler
from serving.logs import Limit

log = logging.getLogger("serving.gateway.access")


class AccessLog:
    """Decides which requests are logged, and writes their lines."""

    def __init__(self, share: float) -> None:
        """Take the share of the answered requests that is logged; 0 for none."""
        self._weight = round(1 / share, 3) if share else 0
        self.picks = Sampler(share).picks if share else bool
        """Returns whether a request that has come is logged, whatever becomes of it."""
        self._limit = Limit()

    def write(self, fields: Callable[[], dict[str, object]], status: int, reason: str) -> None:
        """Write the line of a request.

        Args:
            fields: returns what it says; is asked only where it is written.
            status: of the response.
            reason: why there was no answer; empty for an answer.
        """
        if not reason:
            log.info("request", extra={**fields(), "weight": self._weight})
            return
        left_out = self._limit.left_out((reason, status))
        if left_out is None:
            return
        line = {**fields(), "weight": 1}
        if left_out:
            line["left_out"] = left_out
        log.log(logging.ERROR if status >= 500 else logging.WARNING, "request", extra=line)
