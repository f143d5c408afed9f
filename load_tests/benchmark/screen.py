"""What the run says on the way."""

import sys


def say(line: str) -> None:
    """Print a line now, also where it goes to a file."""
    sys.stdout.write(f"{line}\n")
    sys.stdout.flush()
