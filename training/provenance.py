"""Which state of the code is running."""

import subprocess
from dataclasses import dataclass
from pathlib import Path

_HERE = Path(__file__)


@dataclass(frozen=True)
class Commit:
    """The git commit of the code; dirty where files differ from it."""

    id: str
    dirty: bool


def commit_of(file: Path = _HERE) -> Commit | None:
    """Return the commit that `file` is checked out from; None where it is in no commit.

    A package installed below somebody else's repository is not of that repository's commit.
    """
    folder = file.parent
    if _git(folder, "ls-files", "--error-unmatch", file.name) is None:
        return None
    head, changes = _git(folder, "rev-parse", "HEAD"), _git(folder, "status", "--porcelain")
    return Commit(head.strip(), dirty=bool(changes)) if head else None


def _git(folder: Path, *arguments: str) -> str | None:
    command = ["git", "-C", str(folder), *arguments]
    try:
        # Fixed words, no shell, and whichever git the user has.
        done = subprocess.run(command, capture_output=True, text=True, check=True)
    except (OSError, subprocess.CalledProcessError):
        return None
    return done.stdout
