"""A scanner: asks for a great many paths that do not exist, as fast as one connection allows."""

import http.client
from collections.abc import Iterable
from urllib.parse import urlsplit


def scan(url: str, requests: Iterable[tuple[str, str]]) -> set[int]:
    """Send requests, each a method and a path, and return the status codes that they got."""
    address = urlsplit(url)
    assert address.hostname is not None
    # With httpx the scanner would be most of what a test waits for.
    connection = http.client.HTTPConnection(address.hostname, address.port, timeout=30)
    codes = set()
    try:
        for method, path in requests:
            connection.request(method, path)
            answer = connection.getresponse()
            answer.read()
            codes.add(answer.status)
    finally:
        connection.close()
    return codes
