"""The command `python -m load_tests.suite`, before there is a load."""

from pathlib import Path

import pytest
from click.testing import CliRunner

from load_tests.suite.__main__ import main


def test_a_folder_that_cannot_be_written_is_told_in_words(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """In a container whose root is read-only, and without a volume, no run begins."""
    (tmp_path / ".load").touch()
    monkeypatch.chdir(tmp_path)
    done = CliRunner().invoke(main, [])
    assert done.exit_code == 2
    assert done.output.startswith(f"load: {tmp_path / '.load'} cannot be written: File exists")
