"""What `docker-compose.yml` promises, without an engine; `make test-compose` runs it."""

import re
import stat
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.unit.project.pyproject import ROOT

SERVICES: dict[str, Any] = yaml.safe_load((ROOT / "docker-compose.yml").read_text())["services"]
PAGE = (ROOT / "docs" / "compose.md").read_text()
BY_DEFAULT = [name for name, service in SERVICES.items() if "profiles" not in service]


def test_the_page_lists_the_services() -> None:
    """An operator finds every service on the page, and none that is not there."""
    rows = re.findall(r"^\| (`[^|]+) \|", PAGE, re.MULTILINE)
    assert {name for row in rows for name in re.findall(r"`([a-z-]+)`", row)} == SERVICES.keys()


@pytest.mark.parametrize("name", SERVICES)
def test_each_service_may_no_more_than_it_needs(name: str) -> None:
    """No capability, nothing to write on but its volumes, bounded, and no socket of the engine."""
    service = SERVICES[name]
    assert service["read_only"]
    assert service["cap_drop"] == ["ALL"]
    assert service["security_opt"] == ["no-new-privileges:true"]
    assert service["mem_limit"]
    assert service["pids_limit"]
    assert not any("docker.sock" in volume for volume in service.get("volumes", []))


def test_nobody_outside_reaches_more_than_the_gateway() -> None:
    """The pages of the profiles are for this machine alone, and so is the gateway by default."""
    assert [name for name in BY_DEFAULT if SERVICES[name].get("ports")] == ["api-gateway"]
    published = [port for service in SERVICES.values() for port in service.get("ports", [])]
    assert all(
        re.match(r"127\.0\.0\.1:|\$\{GATEWAY_ADDRESS:-127\.0\.0\.1\}:", p) for p in published
    )


def test_nobody_but_mlflow_reaches_the_database() -> None:
    """Neither a service nor anybody outside."""
    near = {name for name, of in SERVICES.items() if "database" in of.get("networks", [])}
    assert near == {"mlflow", "postgres"}
    assert SERVICES["postgres"]["networks"] == ["database"]


def test_each_image_of_ours_is_a_target_of_the_dockerfile() -> None:
    """What is not pulled is built."""
    targets = set(
        re.findall(r"^FROM \S+ AS (\S+)$", (ROOT / "Dockerfile").read_text(), re.MULTILINE)
    )
    for name, service in SERVICES.items():
        if ours := re.fullmatch(r"iris-([a-z-]+):\$\{TAG:-local\}", service["image"]):
            assert ours[1] in targets, name
        else:
            assert name in ("azurite", "grafana", "postgres", "prometheus")


def test_nobody_is_root() -> None:
    """Images that are root's are run as somebody else; ours and the two others are nobody's."""
    others = {"grafana", "prometheus"}
    named = {name for name, s in SERVICES.items() if not s["image"].startswith("iris-")} - others
    assert {SERVICES[name]["user"] for name in named} == {"1000:1000", "postgres"}
    assert not {s.get("user") for s in SERVICES.values()} & {"0", "root"}


def test_no_secret_has_a_default() -> None:
    """Who starts it without `make up` is told, instead of getting a password that all know."""
    text = (ROOT / "docker-compose.yml").read_text()
    secrets = re.findall(r"\$\{(\w*(?:KEY|PASSWORD|TOKEN))(:\S)", text)
    assert len(secrets) >= 4
    assert {how for _, how in secrets} == {":?"}


def make_secrets(folder: Path, python: str) -> int:
    """Let make write .env into a folder, and return its exit code."""
    command = ("make", "-f", str(ROOT / "Makefile"), ".env", f"PYTHON={python}")
    return subprocess.run(command, cwd=folder, capture_output=True, check=False).returncode


def test_the_secrets_are_made_whole_or_not_at_all(tmp_path: Path) -> None:
    """A file with empty ones would stay, since it is made once, and Compose would refuse it."""
    assert make_secrets(tmp_path, "/nowhere/python") != 0
    assert not (tmp_path / ".env").exists()
    assert make_secrets(tmp_path, sys.executable) == 0
    made = dict(line.split("=") for line in (tmp_path / ".env").read_text().splitlines())
    wanted = re.findall(r"\$\{(\w+):\?", (ROOT / "docker-compose.yml").read_text())
    assert made.keys() == set(wanted)
    assert all(re.fullmatch("[0-9a-f]{64}", secret) for secret in made.values())
    assert stat.S_IMODE((tmp_path / ".env").stat().st_mode) == 0o600


def test_no_emulator_tells_its_maker_what_it_does() -> None:
    """Azurite sends telemetry, unless it is told not to."""
    assert "--disableTelemetry" in SERVICES["azurite"]["command"]
