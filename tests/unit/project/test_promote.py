"""`make promote-prod` and its like: how `k8s/iris` talks to kubectl, and how it ends."""

import json
import os
import subprocess
from collections.abc import Mapping
from pathlib import Path
from types import MappingProxyType

import pytest

from tests.unit.project.pyproject import ROOT

# Writes down what it is asked, and answers as a cluster of prod whose pod has ended.
KUBECTL = """#!/bin/sh
printf '%s\\n' "$*" >> "$ASKED"
case "$*" in
*"get cronjob"*) printf prod ;;
*status.phase*) printf Succeeded ;;
*exitCode*) printf "$CODE" ;;
*"create job"*) cat "$ASKED.json" ;;
*"create --filename"*) cat > "$ASKED.made"; printf job.batch/iris-promote-x ;;
esac
"""


@pytest.fixture
def asked(tmp_path: Path) -> Path:
    """What kubectl was asked, a line a call; the script itself lies beside."""
    (tmp_path / "kubectl").write_text(KUBECTL)
    (tmp_path / "kubectl").chmod(0o755)
    (tmp_path / "asked").touch()
    template = {"spec": {"containers": [{"args": ["status"]}]}}
    job = {"metadata": {"name": "iris", "annotations": {}}, "spec": {"template": template}}
    (tmp_path / "asked.json").write_text(json.dumps(job))
    return tmp_path / "asked"


def make(
    asked: Path,
    target: str,
    *variables: str,
    code: str = "0",
    environ: Mapping[str, str] = MappingProxyType({"VERSION": ""}),
) -> tuple[int, str]:
    """Run a target with that kubectl; return its exit code and what it said."""
    whole = {**os.environ, "ASKED": str(asked), "CODE": code, "MAKEFLAGS": "", **environ}
    command = ("make", target, f"KUBECTL={asked.parent / 'kubectl'}", *variables)
    done = subprocess.run(command, cwd=ROOT, env=whole, capture_output=True, text=True, check=False)
    return done.returncode, done.stdout + done.stderr


def args_of(asked: Path) -> list[str]:
    """Return the words that the container of the Job got."""
    made = json.loads(asked.with_name("asked.made").read_text())
    (container,) = made["spec"]["template"]["spec"]["containers"]
    args: list[str] = container["args"]
    return args


def test_a_job_is_made_of_the_template_and_followed(asked: Path) -> None:
    """Version and reason arrive as they were typed; Kubernetes puts no variable into them."""
    reason = 'it\'s 2 $ "cheaper", $(VERSION) says'
    assert make(asked, "promote-prod", "VERSION=7", f"REASON={reason}", "YES=--yes")[0] == 0
    made = json.loads(asked.with_name("asked.made").read_text())
    doubled = reason.replace("$", "$$")
    assert args_of(asked) == ["promote", "7", "--reason", doubled, "--yes"]
    assert made["metadata"]["generateName"] == "iris-promote-"
    said = asked.read_text()
    assert "--from=cronjob/promote" in said
    assert "logs --follow job.batch/iris-promote-x" in said


@pytest.mark.parametrize("by_environment", [True, False])
@pytest.mark.parametrize("typed", ["7; touch $ASKED.done", "$(shell touch $ASKED.done)", "`id`"])
@pytest.mark.parametrize(
    ("target", "variables"),
    [
        ("promote-prod", ("VERSION", "REASON", "ACCEPT_INCONCLUSIVE")),
        ("rollback-prod", ("REASON", "VERSION")),
        ("recover-prod", ("TAKEOVER",)),
    ],
)
def test_what_was_typed_is_a_word_and_no_more(
    asked: Path, target: str, variables: tuple[str, ...], typed: str, by_environment: bool
) -> None:
    """Neither make nor a shell runs what somebody dispatches, who may not run anything here."""
    given = dict.fromkeys(variables, typed)
    if by_environment:
        ended = make(asked, target, "YES=--yes", environ=given)
    else:
        ended = make(asked, target, "YES=--yes", *(f"{k}={v}" for k, v in given.items()))
    assert ended[0] == 0
    assert args_of(asked).count(typed.replace("$", "$$")) == len(variables)
    assert not asked.with_name("asked.done").exists()


@pytest.mark.parametrize(
    ("target", "variables", "words"),
    [
        (
            "promote-prod",
            {"VERSION": "7", "REASON": "why", "ACCEPT_INCONCLUSIVE": "$few data"},
            ["promote", "7", "--reason", "why", "--accept-inconclusive", "$$few data"],
        ),
        ("rollback-prod", {"REASON": "worse"}, ["rollback", "--reason", "worse"]),
        (
            "rollback-prod",
            {"REASON": "worse", "VERSION": "6"},
            ["rollback", "--reason", "worse", "--to", "6"],
        ),
        ("recover-prod", {}, ["recover"]),
        ("recover-prod", {"TAKEOVER": "it hangs"}, ["recover", "--takeover", "it hangs"]),
    ],
)
def test_what_is_asked_for_is_asked_of_iris(
    asked: Path, target: str, variables: dict[str, str], words: list[str]
) -> None:
    """Each variable is an option; what is not given, or empty, is none."""
    none = {"VERSION": "", "REASON": "", "ACCEPT_INCONCLUSIVE": "", "TAKEOVER": ""}
    assert make(asked, target, "YES=--yes", environ=none | variables)[0] == 0
    assert args_of(asked) == [*words, "--yes"]


@pytest.mark.parametrize("code", ["1", "2"])
def test_it_ends_as_the_promotion_does(asked: Path, code: str) -> None:
    """Refused is not inconclusive; make itself ends with 2, and names the other."""
    ended, said = make(asked, "promote-prod", "VERSION=7", code=code)
    assert ended == 2
    assert f"Error {code}" in said


def test_another_environment_is_refused(asked: Path) -> None:
    """A context that was left behind promotes nothing elsewhere."""
    ended, said = make(asked, "promote-dev", "VERSION=7")
    assert ended != 0
    assert "kubectl talks to prod, not to dev" in said
    assert "create" not in asked.read_text()


def test_a_version_is_asked_for(asked: Path) -> None:
    """Nothing is asked of a cluster before."""
    ended, said = make(asked, "promote-prod")
    assert ended != 0
    assert "which version is to serve?" in said
    assert asked.read_text() == ""


def test_a_deploy_with_another_store_is_refused_before_anything_is_applied(asked: Path) -> None:
    """One is left over from a failover; the Job that brings a release back has the cluster's."""
    ended, said = make(asked, "deploy-dev", environ={"IRIS_STORE": "azure://irismlsecond"})
    assert ended != 0
    assert "unset IRIS_STORE" in said
    assert asked.read_text() == ""
