"""Files and logs on the disk."""

from pathlib import Path

import pytest

from artifacts import files
from artifacts.files import open_log


def test_a_log_is_appended_to_and_never_grows_without_bound(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What was said before stays to be read; of large logs the last one does."""
    monkeypatch.setattr(files, "LOG_BYTES", 10)
    for said in [b"first ", b"second ", b"third ", b"fourth ", b"fifth "]:
        with open_log(tmp_path / "gateway.log") as log:
            log.write(said)
    assert {path.name: path.read_bytes() for path in tmp_path.iterdir()} == {
        "gateway.log": b"fifth ",
        "gateway.log.1": b"third fourth ",
    }
