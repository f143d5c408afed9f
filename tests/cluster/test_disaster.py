"""What docs/disaster-recovery.md says comes back, on a cluster, by what it says to type."""

import shutil
from pathlib import Path

import pytest

from registry.records import Stamp
from tests.cluster.arena import UNGATED, Arena
from tests.cluster.node import layout, lifecycle
from tests.cluster.system import NAMESPACE, OVERLAY, STANDALONE, System

pytestmark = [pytest.mark.long, pytest.mark.timeout(900)]

DEPLOY = ("k8s/deploy", "dev", str(OVERLAY))


def in_postgres(system: System, *statements: str) -> None:
    """Let MLflow's PostgreSQL do what Azure's may do to us."""
    for statement in statements:
        psql = ("psql", "--username=mlflow", "--dbname=postgres", "--command", statement)
        system.kubectl("exec", "postgres-0", f"--namespace={STANDALONE}", "--", *psql)


def test_a_cluster_that_was_lost(arena: Arena, tmp_path: Path) -> None:
    """A new one under the same name serves the same digest: only the store and secrets are left."""
    system, version = arena.system, arena.serving()
    in_a_vault = system.kubectl(
        "get", "secret", "iris-ml-standalone", f"--namespace={STANDALONE}", "--output=yaml"
    )
    # As the managed database and the storage account do, they end in order.
    system.kubectl("scale", "statefulset", "--all", f"--namespace={STANDALONE}", "--replicas=0")
    system.kubectl("wait", "--for=delete", "pod", "--all", f"--namespace={STANDALONE}")
    volumes = layout.STATE / "var/lib/iris-volumes"
    shutil.move(volumes, tmp_path)
    lifecycle.down()

    lifecycle.up()
    system.meet()
    system.load_images()
    shutil.move(tmp_path / volumes.name, volumes)
    system.kubectl("create", "namespace", STANDALONE)
    system.kubectl("create", "--filename=-", stdin=in_a_vault)
    system.deploy()
    arena.agrees(version)


def test_a_cluster_and_mlflows_database_that_were_lost(arena: Arena) -> None:
    """As with a region: the same digest serves without MLflow, and the alias follows later."""
    system, release = arena.system, arena.status()["release"]
    system.kubectl("delete", "namespace", NAMESPACE, "--timeout=180s")
    in_postgres(system, "ALTER DATABASE mlflow RENAME TO of_the_lost_region")
    try:
        system.run("k8s/components/standalone/secrets")
        said = system.run(*DEPLOY, code=1, environ={"TIMEOUT": "60s"})
        assert "all has rolled out but MLflow" in said.err
        system.wait_until_serves(release["sha256"])
        assert system.predict().status == 200
    finally:
        in_postgres(system, "ALTER DATABASE of_the_lost_region RENAME TO mlflow")

    system.kubectl("rollout", "status", "deployment/mlflow", "--timeout=300s")
    system.run("k8s/iris", "dev", "recover")
    arena.agrees(release["version"])


def test_a_cluster_that_was_lost_during_a_promotion(arena: Arena) -> None:
    """The deploy says what is open; recovered, what served before serves, and it goes through."""
    system, before = arena.system, arena.serving()
    arena.job("promote", arena.other(), *UNGATED, IRIS_CRASH_AT="during watch").died()
    system.kubectl("delete", "namespace", NAMESPACE, "--timeout=180s")
    system.run("k8s/components/standalone/secrets")
    said = system.run(*DEPLOY, code=1)
    assert "iris recover" in said.out + said.err
    system.run("k8s/iris", "dev", "recover", "--takeover", "its cluster was lost")
    system.run(*DEPLOY)
    arena.agrees(before)


def test_a_database_of_mlflow_that_was_lost(arena: Arena) -> None:
    """Every version that was promoted is there again under its number, and can be promoted."""
    system, version, other = arena.system, arena.serving(), arena.other()
    in_postgres(system, "DROP DATABASE mlflow WITH (FORCE)", "CREATE DATABASE mlflow")
    system.kubectl("rollout", "restart", "deployment/mlflow")
    system.kubectl("rollout", "status", "deployment/mlflow", "--timeout=180s")
    assert "iris rebuild-registry" in system.iris("status")

    said = system.run("k8s/iris", "dev", "rebuild-registry").out
    assert "versions with their files: 1, 2" in said
    arena.agrees(version)
    system.promote(int(other))
    arena.agrees(other)


def test_a_ledger_whose_tail_was_lost(arena: Arena) -> None:
    """It goes on after the last good record, and what serves is recorded again."""
    system, version = arena.system, arena.serving()
    ledger = system.store.ledger
    stamped = Stamp.parse(system.config()["PROMOTION"]).number
    numbers = {int(Path(name).stem): name for name in ledger.list("dev/")}
    for number, name in numbers.items():
        if number >= stamped:
            ledger.delete(name)
    shutil.rmtree(system.home / "verified")
    last = max(number for number in numbers if number < stamped)
    assert f"iris continue-ledger --after {last} " in system.iris("verify-ledger", code=1)

    why = ("--reason", "an emulator forgot it")
    system.run("k8s/iris", "dev", "continue-ledger", "--after", str(last), *why)
    system.run("k8s/iris", "dev", "recover")
    assert "reconcile --to serving" in system.iris("status")
    system.iris("reconcile", "--to", "serving")
    arena.agrees(version)
