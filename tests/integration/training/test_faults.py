"""What stops a training run before it begins. What goes wrong in one is in `tests/faults`."""

from pathlib import Path

from tests.integration.training.program import Home, run

QUICK = ("train", "--only", "discriminant")


def _one_line(text: str) -> str:
    """Return what is said besides the hint, which is to be a single line."""
    first, *rest = text.strip().splitlines()
    assert all(line.startswith("  → ") for line in rest), text
    return first


def test_faulty_csv(tmp_path: Path) -> None:
    """A CSV with faults stops the run before anything is made, with every fault named."""
    home, path = Home(tmp_path / "home"), tmp_path / "flowers.csv"
    path.write_text("sepal_length,sepal_width,petal_length,petal_width,species\n5,3,x,,tulip\n")
    done = run(home, "train", "--data", str(path))
    assert done.returncode == 1
    assert "row 2, column petal_length: 'x' is not a number" in done.stderr
    assert "row 2, column petal_width: is missing" in done.stderr
    assert "Traceback" not in done.stderr
    assert not home.folder.exists()


def test_home_that_can_not_be_written(tmp_path: Path) -> None:
    """An `IRIS_HOME` that can't be written is told in one line."""
    (tmp_path / "file").touch()
    done = run(Home(tmp_path / "file" / "home"), *QUICK)
    assert done.returncode == 1
    assert f"IRIS_HOME={tmp_path / 'file'}" in _one_line(done.stderr)
