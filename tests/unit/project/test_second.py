"""`terraform/second`: Terraform in the second region, with a stand-in for it."""

import os
import shutil
import subprocess
from pathlib import Path

import pytest

from tests.unit.project.pyproject import ROOT

TERRAFORM = """#!/bin/sh
printf '%s\\n' "$TF_DATA_DIR $*" >> "$ASKED"
"""


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """An environment that has a second region."""
    folder = tmp_path / "terraform" / "environments" / "prod"
    folder.mkdir(parents=True)
    (folder / "second.tfvars").touch()
    shutil.copy(ROOT / "terraform" / "second", tmp_path / "terraform")
    (tmp_path / "terraform.sh").write_text(TERRAFORM)
    (tmp_path / "terraform.sh").chmod(0o755)
    return folder


def second(folder: Path, *words: str) -> tuple[int, str, list[str]]:
    """Call it; return its exit code, its errors, and what Terraform was asked, and where."""
    root = folder.parents[2]
    environ = {"TERRAFORM": f"{root}/terraform.sh", "ASKED": f"{root}/asked"}
    done = subprocess.run(
        [root / "terraform" / "second", "prod", *words],
        env={**os.environ, **environ},
        capture_output=True,
        text=True,
        check=False,
    )
    asked = root / "asked"
    return done.returncode, done.stderr, asked.read_text().splitlines() if asked.exists() else []


def test_a_state_of_its_own_is_asked_for_with_what_is_other_there(folder: Path) -> None:
    """Nothing that was remembered of the first region's state has a say."""
    code, _, asked = second(folder, "apply", "-target=a b")
    kept = f"{folder}/.terraform-second -chdir={folder}"
    states = "-backend-config=../backend.hcl -backend-config=key=prod-second.tfstate"
    assert code == 0
    assert asked == [
        f"{kept} init -input=false {states}",
        f"{kept} apply -var-file=second.tfvars -target=a b",
    ]


def test_what_takes_no_variables_is_given_none(folder: Path) -> None:
    """Terraform would refuse them."""
    assert second(folder, "output", "-json")[2][-1].endswith(f"-chdir={folder} output -json")


def test_an_environment_without_a_second_region_is_told_so(folder: Path) -> None:
    """Before anything is asked."""
    (folder / "second.tfvars").unlink()
    code, said, asked = second(folder, "apply")
    assert code == 1
    assert "prod has no second region" in said
    assert asked == []
