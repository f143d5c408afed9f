"""`python -m tests.support.writer`: a process that writes one blob when it is told to.

Arguments: the store's address, the blob's name, a number, and how many bytes of that number to
write into the part `ledger`. It says "ready", waits for a line, and says how it went.
"""

import sys

from artifacts.errors import BlobConflict
from artifacts.store import open_store


def main() -> None:
    """Write."""
    uri, name, number, size = sys.argv[1:]
    ledger = open_store(uri).ledger
    data = bytes([int(number)]) * int(size)
    print("ready", flush=True)  # noqa: T201  the test reads it
    sys.stdin.readline()
    try:
        print("wrote" if ledger.create(name, data) else "same")  # noqa: T201
    except BlobConflict:
        print("conflict")  # noqa: T201


if __name__ == "__main__":
    main()
