"""What the code says of itself: its commit, and what it imports."""

import subprocess
import sys
from pathlib import Path

from training.provenance import Commit, commit_of


def _git(folder: Path, *arguments: str) -> str:
    identity = ["-c", "user.name=A", "-c", "user.email=a@example.org"]
    command = ["git", *identity, "-C", str(folder), *arguments]
    return subprocess.run(command, check=True, capture_output=True, text=True).stdout.strip()


def test_commit(tmp_path: Path) -> None:
    """A run names the commit of its own code, dirty where a file differs from it."""
    code, stranger = tmp_path / "code.py", tmp_path / "stranger.py"
    code.touch()
    assert commit_of(code) is None
    _git(tmp_path, "init", "--quiet")
    _git(tmp_path, "add", "code.py")
    _git(tmp_path, "commit", "--quiet", "-m", "Begin")
    head = _git(tmp_path, "rev-parse", "HEAD")
    assert commit_of(code) == Commit(head, dirty=False)
    stranger.touch()
    assert commit_of(stranger) is None
    code.write_text("changed")
    assert commit_of(code) == Commit(head, dirty=True)


def test_gates_need_no_heavy_import() -> None:
    """Gates use the evaluation, and commands tell their help, without scikit-learn or MLflow."""
    code = (
        "import sys, training.evaluation, training.commands;"
        "sys.exit(not {'sklearn', 'mlflow', 'matplotlib', 'pandas'}.isdisjoint(sys.modules))"
    )
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
