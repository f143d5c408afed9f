"""The workflows: what two linters say, and the rules that neither knows. No network is needed."""

import os
import re
import subprocess
from fnmatch import fnmatch
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.cluster.node import programs

ROOT = Path(__file__).parents[2]
HERE = Path(__file__).parent
FILES = sorted((ROOT / ".github" / "workflows").glob("*.yml"))
TEXTS = {file.stem: file.read_text() for file in FILES}
# YAML takes the key `on` for true.
WORKFLOWS: dict[str, dict[str | bool, Any]] = {
    name: yaml.safe_load(text) for name, text in TEXTS.items()
}
JOBS = {
    f"{name}.{job}": body for name, text in WORKFLOWS.items() for job, body in text["jobs"].items()
}
STEPS = {
    f"{job}[{number}]": step
    for job, body in JOBS.items()
    for number, step in enumerate(body["steps"])
}
RUNS = {name: step["run"] for name, step in STEPS.items() if "run" in step}
ENVIRONMENTS = ("dev", "prod", "shared")
OPERATIONS = WORKFLOWS["promote"][True]["workflow_dispatch"]["inputs"]["operation"]["options"]
# What a runner has, and what asks nobody for a rule of ours.
PLAIN = ('git checkout --quiet --detach "$VERSION^{commit}"', "jq ", 'echo "digest=')


def run(*command: str | Path) -> subprocess.CompletedProcess[str]:
    """Run a program on the workflows."""
    environ = {**os.environ, "NO_COLOR": "1"}
    return subprocess.run(
        command, cwd=ROOT, env=environ, capture_output=True, text=True, check=False
    )


@pytest.mark.timeout(300)
def test_actionlint_finds_nothing() -> None:
    """It knows the events, contexts and inputs, and the types in expressions."""
    actionlint = programs.build("actionlint", HERE / "go") / "actionlint"
    done = run(actionlint, "-shellcheck=", "-pyflakes=")
    assert done.returncode == 0, done.stdout


def test_zizmor_finds_nothing() -> None:
    """Not even what it calls a matter of taste."""
    done = run(ROOT / ".venv" / "bin" / "zizmor", "--offline", "--persona", "auditor", ".github")
    assert done.returncode == 0, done.stdout + done.stderr


def test_each_is_there() -> None:
    """A workflow more is one more on the page."""
    page = (ROOT / "docs" / "delivery.md").read_text()
    table = page.partition("## The workflows")[2].partition("\n## ")[0]
    assert set(TEXTS) == set(re.findall(r"^\| `(\w+)` \|", table, re.MULTILINE))


def test_the_page_names_every_setting() -> None:
    """Whoever sets the repository up finds each variable and environment there, and no other."""
    page = (ROOT / "docs" / "delivery.md").read_text()
    _, environments, variables = re.split(
        r"\n\| environment \||\n\| variable \|", page.partition("\n## A private")[0]
    )
    named = {
        word
        for row in re.findall(r"^\| (`[A-Z].*?) \|", variables, re.MULTILINE)
        for word in re.findall(r"`(\w+)`", row)
    }
    assert named == set(re.findall(r"vars\.(\w+)", "".join(TEXTS.values())))
    asked = {job["environment"] for job in JOBS.values() if "environment" in job}
    expressions = {each: [each] for each in asked if "${{" not in each}
    for each in asked - expressions.keys():
        options = ("shared", "dev", "prod") if each.startswith("terraform-") else ("dev", "prod")
        expressions[each] = [re.sub(r"\$\{\{.*\}\}", option, each) for option in options]
    rows = set(re.findall(r"^\| `([a-z-]+)` \|", environments, re.MULTILINE))
    assert rows == {name for names in expressions.values() for name in names}


def test_every_action_is_pinned_by_commit() -> None:
    """A tag can be moved; and one commit of an action is enough."""
    pins: dict[str, set[str]] = {}
    for text in TEXTS.values():
        for used in re.findall(r"^ *(?:- )?uses: (.*)$", text, re.MULTILINE):
            found = re.fullmatch(r"([\w./-]+)@([0-9a-f]{40}) # v\d+\.\d+\.\d+", used)
            assert found, used
            pins.setdefault(found[1], set()).add(found[2])
    assert all(len(commits) == 1 for commits in pins.values()), pins


def test_no_job_has_rights_that_it_does_not_ask_for() -> None:
    """None at the top; each job's own, with the reason beside."""
    for name, text in TEXTS.items():
        assert WORKFLOWS[name]["permissions"] == {}
        for line in text.splitlines():
            if re.match(r"^ +[a-z-]+: (read|write)\b", line):
                assert " # " in line, line
    for name, job in JOBS.items():
        assert "permissions" in job, name
        if "id-token" in job["permissions"]:
            assert "environment" in job or name == "terraform.plan", name


def test_no_job_runs_for_ever_or_beside_itself() -> None:
    """A runner that hangs is ended, and what changes something is never cut short."""
    for name, job in JOBS.items():
        assert job["timeout-minutes"] <= 90, name
    for name, workflow in WORKFLOWS.items():
        cut = workflow["concurrency"].get("cancel-in-progress", False)
        assert cut is False or "pull_request" in cut, name


@pytest.mark.parametrize("run", RUNS.values(), ids=RUNS.keys())
def test_no_shell_line_holds_what_somebody_typed(run: str) -> None:
    """It comes by the environment, where a shell takes it for a word and no more."""
    assert "${{" not in run


def test_a_checkout_leaves_no_token() -> None:
    """What a later step runs may read the folder."""
    for name, step in STEPS.items():
        if step.get("uses", "").startswith("actions/checkout@"):
            assert step["with"]["persist-credentials"] is False, name


def targets(run: str) -> set[str]:
    """Return the targets that a line makes, for each environment that it may be of."""
    found = re.fullmatch(r'(?:\.github/summary "[^"]*" )?make (.*)', run.strip())
    assert found, f"{run} makes no target; what is done here is to be done on a desk, too"
    words = [word.strip('"') for word in found[1].split() if "=" not in word]
    return {
        word.replace("$ENVIRONMENT", environment).replace("$OPERATION", operation)
        for word in words
        for environment in ENVIRONMENTS
        for operation in OPERATIONS
        if environment != "shared" or word.startswith(("plan-", "apply-"))
    }


@pytest.mark.parametrize("run", RUNS.values(), ids=RUNS.keys())
def test_what_is_run_is_a_target_that_exists(run: str) -> None:
    """So that each step can be run on a desk."""
    if run.startswith(PLAIN):
        return
    makefile = (ROOT / "Makefile").read_text()
    there = set(re.findall(r"^([a-z-]+):.*## ", makefile, re.MULTILINE))
    assert targets(run) - there == set()


def test_the_last_job_waits_for_all_that_a_change_must_pass() -> None:
    """One that is not waited for may fail unseen; one that was skipped has not passed."""
    jobs = WORKFLOWS["ci"]["jobs"]
    asked = {
        name for name, job in jobs.items() if name != "done" and "'push'" not in job.get("if", "")
    }
    assert set(jobs["done"]["needs"]) == asked
    assert jobs["done"]["if"].startswith("always()")


@pytest.mark.parametrize(
    ("result", "code"), [("success", 0), ("failure", 1), ("skipped", 1), ("cancelled", 1)]
)
def test_a_job_that_was_skipped_is_not_green(result: str, code: int) -> None:
    """The very line of the last job, on what GitHub hands to it."""
    (step,) = WORKFLOWS["ci"]["jobs"]["done"]["steps"]
    needs = f'{{"check": {{"result": "success"}}, "images": {{"result": "{result}"}}}}'
    done = subprocess.run(
        ["bash", "-e", "-o", "pipefail", "-c", step["run"]],
        env={**os.environ, "NEEDS": needs},
        capture_output=True,
        check=False,
    )
    assert done.returncode == code, done.stderr


def test_what_changes_an_environment_waits_for_its_approval() -> None:
    """A deploy and a promotion by the same, and Terraform by one of its own."""
    for name in ("cd.deploy", "promote.promote"):
        assert JOBS[name]["environment"] == "${{ inputs.environment }}"
    assert JOBS["terraform.apply"]["environment"] == "terraform-${{ inputs.environment }}"
    assert JOBS["terraform.apply"]["needs"] == "plan"


def test_to_go_back_waits_for_no_promotion() -> None:
    """A run that is queued behind the very promotion that it is to end would help nobody."""
    group = WORKFLOWS["promote"]["concurrency"]["group"]
    groups = {group.replace("${{ inputs.operation }}", operation) for operation in OPERATIONS}
    assert len(groups) == len(OPERATIONS)


def test_a_deploy_that_does_not_hold_is_undone() -> None:
    """Also where it is cancelled; not where it never went through, since that undoes itself."""
    *_, deploy, load, undo = JOBS["cd.deploy"]["steps"]
    assert "deploy-$ENVIRONMENT" in deploy["run"]
    assert "IMAGES_FILE=" in deploy["run"]
    assert "smoke-$ENVIRONMENT" in load["run"]
    assert "undo-deploy-$ENVIRONMENT" in undo["run"]
    outcome = f"steps.{deploy['id']}.outcome == 'success'"
    assert undo["if"] == f"(failure() || cancelled()) && {outcome}"


def test_the_page_of_a_run_has_what_was_said(tmp_path: Path) -> None:
    """As it goes, and with the exit code of what was run."""
    page = tmp_path / "page"
    done = subprocess.run(
        [ROOT / ".github" / "summary", "A title", "bash", "-c", "echo out; echo err >&2; exit 3"],
        env={**os.environ, "GITHUB_STEP_SUMMARY": str(page)},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 3
    assert done.stdout.splitlines() == ["out", "err"]
    assert page.read_text() == "### A title\n\n````\nout\nerr\n````\n"


def test_newer_releases_are_looked_for_wherever_a_version_stands() -> None:
    """A folder that nobody looks at grows old; a release of today is not taken."""
    updates = yaml.safe_load((ROOT / ".github" / "dependabot.yml").read_text())["updates"]
    looked = {
        update["package-ecosystem"]: {
            folder.strip("/") or "."
            for folder in update.get("directories", [update.get("directory")])
        }
        for update in updates
    }
    kinds = {
        "docker-compose.yml": "docker-compose",
        "go.mod": "gomod",
        "package.json": "npm",
        "pom.xml": "maven",
        "terraform.tf": "terraform",
    }
    tracked = run("git", "ls-files", *(f"*{name}" for name in kinds), "*Dockerfile")
    for file in map(Path, tracked.stdout.split()):
        folders = looked[kinds.get(file.name, "docker")]
        assert any(fnmatch(str(file.parent), folder) for folder in folders), file
    for update in updates:
        assert update["cooldown"]["default-days"] >= 7
        assert update["groups"]
        assert update["schedule"]["interval"] == "weekly"
