"""`python -m bentos`: serve the Bento in this one process, or say in one line why not.

`bentoml serve` does the same with a process more, which restarts the other: it imports the service
twice, one after the other, and takes twice the memory. Here somebody restarts already (the
supervisor, Kubernetes), and wants to see the process end when it can't serve.
"""

import gc
import logging
import signal
import sys

from artifacts.errors import IrisError
from artifacts.settings import load
from serving.inference.instance import INSTANCE
from serving.inference.settings import InferenceSettings
from serving.logs import log_end, start_logging

# Longer than the gateway keeps an idle connection, so that it's never this end that hangs up.
KEEP_ALIVE_S = 75
DRAIN_S = 30

log = logging.getLogger(__name__)


def main() -> None:
    """Load the model, then BentoML; serve until SIGTERM, and finish what was accepted."""
    # The server drains when it gets one, and raises it again when it's done.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))
    try:
        start_logging("inference")
        settings = load(InferenceSettings)
        INSTANCE.load()
    except IrisError as error:
        log_end(log, error)
        sys.exit(error.exit_code)
    serve(settings)


def serve(settings: InferenceSettings) -> None:
    """Serve the loaded model."""
    gc.disable()  # all of the imports stay: to look for garbage among them is a tenth of the start
    import uvicorn

    from bentos.service import IrisClassifier

    app = IrisClassifier.to_asgi()
    gc.enable()
    uvicorn.run(
        app,
        host=settings.inference_host,
        port=settings.inference_port,
        timeout_keep_alive=KEEP_ALIVE_S,
        timeout_graceful_shutdown=DRAIN_S,
        access_log=False,
        server_header=False,
        proxy_headers=False,
        log_config=None,
    )


if __name__ == "__main__":
    main()
