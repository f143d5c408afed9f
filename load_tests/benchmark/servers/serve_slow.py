"""Our Bento with a model call made long: 20 ms for each 8 rows, or part of them, without CPU.

So a few hundred requests a second saturate it, and two cores are enough for several of them.
"""

import math
import time

import numpy as np
from numpy.typing import NDArray

from artifacts.model import Model
from bentos.__main__ import main

CALL_S = 0.020
CALL_ROWS = 8

_predict = Model.predict


def slow(model: Model, rows: NDArray[np.float64]) -> NDArray[np.float64]:
    """Predict, and take the time that a large model would take; like it, hold up the process."""
    time.sleep(CALL_S * math.ceil(len(rows) / CALL_ROWS))
    return _predict(model, rows)


if __name__ == "__main__":
    Model.predict = slow  # type: ignore[assignment, method-assign]  # that is the point
    main()
