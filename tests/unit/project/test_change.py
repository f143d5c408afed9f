"""`terraform/change`: what is applied is what was planned, with a stand-in for Terraform."""

import json
import os
import subprocess
from pathlib import Path

import pytest

from tests.unit.project.pyproject import ROOT

TERRAFORM = """#!/bin/sh
printf '%s\\n' "$*" >> "$ASKED"
case "$*" in
*" plan "*) echo "this is what would change" ;;
*" show "*) cat "$PLAN" ;;
esac
"""


class Terraform:
    """The stand-in, and what it says would change."""

    def __init__(self, folder: Path) -> None:
        self.plan = folder / "plan.json"
        self.asked = folder / "asked"
        self.program = folder / "terraform"
        self.program.write_text(TERRAFORM)
        self.program.chmod(0o755)

    def change(
        self,
        size: str,
        at: str = "2026-01-01T00:00:00Z",
        key: str = "a key",
        left: tuple[str, ...] = (),
    ) -> None:
        """Say what would change, and which objects that a replacement left behind would go."""
        before, after = {"size": "tiny", "key": key}, {"size": size, "key": key}
        change = {"actions": ["update"], "before": before, "after": after}
        # A resource that stays as it is, but for what it says of itself, is no change.
        same = {"actions": ["no-op"], "before": {"nodes": at}, "after": {"nodes": at}}
        changes = [{"address": "x", "change": change}, {"address": "y", "change": same}]
        going = {"actions": ["delete"], "before": before, "after": None}
        changes[:0] = [{"address": "x", "deposed": number, "change": going} for number in left]
        self.plan.write_text(json.dumps({"timestamp": at, "resource_changes": changes}))

    def make(self, target: str, *variables: str) -> tuple[int, str, str]:
        """Run a target; return its exit code and what it said."""
        self.asked.write_text("")
        done = subprocess.run(
            ["make", "--no-print-directory", target, f"TERRAFORM={self.program}", *variables],
            cwd=ROOT,
            env={
                **os.environ,
                "ASKED": str(self.asked),
                "PLAN": str(self.plan),
                "MAKEFLAGS": "",
            },
            capture_output=True,
            text=True,
            check=False,
        )
        return done.returncode, done.stdout, done.stderr


@pytest.fixture
def terraform(tmp_path: Path) -> Terraform:
    """Terraform, as far as it is asked here."""
    return Terraform(tmp_path)


def test_what_was_planned_is_applied(terraform: Terraform) -> None:
    """Made again at another time, the same plan is the same; only then the state is locked."""
    terraform.change("small")
    code, digest, said = terraform.make("plan-dev")
    assert code == 0, said
    assert "this is what would change" in said
    assert (ROOT / "dist" / "plan-dev").read_text() == digest
    assert "-lock=false" in terraform.asked.read_text()

    terraform.change("small", at="2026-01-02T00:00:00Z")
    code, _, said = terraform.make("apply-dev", f"PLANNED={digest.strip()}")
    assert code == 0, said
    asked = terraform.asked.read_text()
    assert "-lock=true" in asked
    assert "environments/dev apply" in asked


def test_who_may_only_read_plans_the_same(terraform: Terraform) -> None:
    """He is shown no keys; they do not change."""
    terraform.change("small", key="")
    _, by_reader, _ = terraform.make("plan-dev")
    terraform.change("small")
    assert terraform.make("plan-dev")[1] == by_reader


def test_what_a_replacement_left_behind_is_part_of_the_plan(terraform: Terraform) -> None:
    """It has the address of the object in its place."""
    terraform.change("small")
    _, without, _ = terraform.make("plan-dev")
    terraform.change("small", left=("00000001",))
    assert terraform.make("plan-dev")[1] != without


def test_what_nobody_has_seen_is_not_applied(terraform: Terraform) -> None:
    """Between plan and approval somebody may have changed something."""
    terraform.change("small")
    _, digest, _ = terraform.make("plan-dev")
    terraform.change("large")
    code, _, said = terraform.make("apply-dev", f"PLANNED={digest.strip()}")
    assert code != 0
    assert "is not what was planned" in said
    assert " apply " not in terraform.asked.read_text()


def test_an_apply_names_its_plan(terraform: Terraform) -> None:
    """Nothing is asked of Terraform before."""
    code, _, said = terraform.make("apply-prod")
    assert code != 0
    assert "which plan?" in said
    assert terraform.asked.read_text() == ""
