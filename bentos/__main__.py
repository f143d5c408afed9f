"""`python -m bentos`: serve the Bento in this one process, or say in one line why not.

`bentoml serve` does the same with a process more, which restarts the other: it imports the service
twice, one after the other, and takes twice the memory. Here somebody restarts already (the
supervisor, Kubernetes), and wants to see the process end when it can't serve.
"""

import contextlib
import gc
import logging
import signal
import socket
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


class PortUnavailable(IrisError):
    """A port that is set can't be listened on."""


def main() -> None:
    """Load the model, then BentoML; serve until SIGTERM, and finish what was accepted."""
    # The server drains when it gets one, and raises it again when it's done.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))
    try:
        start_logging("inference")
        settings = load(InferenceSettings)
        INSTANCE.load()
        serve(settings)
    except IrisError as error:
        log_end(log, error)
        sys.exit(error.exit_code)


def serve(settings: InferenceSettings) -> None:
    """Serve the loaded model.

    Raises:
        PortUnavailable: it can't be listened on.
    """
    gc.disable()  # all of the imports stay: to look for garbage among them is a tenth of the start
    import uvicorn

    from bentos.service import IrisClassifier
    from serving.inference.app import AdminPort, status_app
    from serving.inference.metrics import REQUESTS

    app = IrisClassifier.to_asgi()
    gc.enable()
    if settings.inference_admin_port:
        app = AdminPort(app, status_app(INSTANCE, REQUESTS), settings.inference_admin_port)
    ports = filter(None, (settings.inference_port, settings.inference_admin_port))
    sockets = [_listen(settings.inference_host, port) for port in ports]
    server = uvicorn.Server(
        uvicorn.Config(
            app,
            timeout_keep_alive=KEEP_ALIVE_S,
            timeout_graceful_shutdown=DRAIN_S,
            access_log=False,
            server_header=False,
            proxy_headers=False,
            log_config=None,
        )
    )
    with contextlib.suppress(KeyboardInterrupt):  # raised again by the server, when it has drained
        server.run(sockets)
    if not server.started:
        sys.exit(1)


def _listen(host: str, port: int) -> socket.socket:
    try:
        family = socket.AF_INET6 if ":" in host else socket.AF_INET
        return socket.create_server((host, port), family=family)
    except OSError as error:
        raise PortUnavailable(
            f"{host} port {port} cannot be listened on: {error.strerror}"
        ) from error


if __name__ == "__main__":
    main()
