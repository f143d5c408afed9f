"""A virtual environment for each peer, made from its lock; one that is as it should be is kept."""

import hashlib
import shutil
import subprocess
import sys
from pathlib import Path

from load_tests.benchmark.errors import SetUpFailed
from load_tests.benchmark.screen import say

LOCKS = Path("requirements/bench")
ENVIRONMENTS = Path(".bench/venvs")


def python_of(lock: str) -> Path:
    """Return the interpreter of the lock's environment, which is made where it is missing.

    Raises:
        SetUpFailed: the lock can't be installed.
    """
    if not lock:
        return Path(sys.executable)
    folder = (ENVIRONMENTS / lock).absolute()
    python = folder / "bin" / "python"
    locked = LOCKS / f"{lock}.txt"
    stamp, wanted = folder / "made-from", _digest(locked)
    if not stamp.exists() or stamp.read_text() != wanted:
        say(f"making the environment of {lock}")
        _uv("venv", "--clear", "--python", sys.executable, str(folder))
        _uv("pip", "sync", "--python", str(python), "--require-hashes", str(locked))
        stamp.write_text(wanted)
    return python


def versions(lock: str) -> dict[str, str]:
    """Return the versions that a lock pins, as far as they hold for this interpreter."""
    command = ["pip", "list", "--python", str(python_of(lock)), "--format", "freeze"]
    pairs = (line.partition("==") for line in _uv(*command).splitlines() if "==" in line)
    return {name: version for name, _, version in pairs}


def _digest(locked: Path) -> str:
    return hashlib.sha256(locked.read_bytes() + sys.version.encode()).hexdigest()


def _uv(*words: str) -> str:
    beside = Path(sys.executable).with_name("uv")
    uv = str(beside) if beside.exists() else shutil.which("uv")
    if uv is None:
        raise SetUpFailed("uv is missing: make setup")
    done = subprocess.run([uv, "--quiet", *words], check=False, capture_output=True, text=True)
    if done.returncode:
        raise SetUpFailed(f"uv {' '.join(words)} failed:\n{done.stderr.strip()}")
    return done.stdout
