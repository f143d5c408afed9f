"""A server that runs beside a test, for the length of a block."""

import socketserver
import threading
from typing import Self


class InBackground(socketserver.TCPServer):
    """Serves in a thread of its own; goes before the class of the server that it makes of one."""

    @property
    def port(self) -> int:
        """Where it listens."""
        return int(self.server_address[1])

    def __enter__(self) -> Self:
        threading.Thread(target=self.serve_forever, args=(0.05,), daemon=True).start()
        return self

    def __exit__(self, *_: object) -> None:
        self.shutdown()
        self.server_close()
