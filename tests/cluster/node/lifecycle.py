"""The node's life: up, stopped, up again with what it had, down."""

import contextlib
import fcntl
import os
import shutil
import time
from collections.abc import Iterator, Sequence

import click

from tests.cluster.node import certificates, daemons, images, programs, space
from tests.cluster.node.layout import HERE, KUBECONFIG, ROOT, STATE, NodeError, write_config

READY_S = 120


def up(in_pods: Sequence[str] = programs.IN_PODS) -> None:
    """Start the node, or mend what is not up of it, or check the cluster of KUBECONFIG.

    Args:
        in_pods: the programs that run in the node's own pods.
    """
    given = os.environ.get("KUBECONFIG")
    if given and given != str(KUBECONFIG):
        kubectl = shutil.which("kubectl") or programs.build() / "kubectl"
        space.run([str(kubectl), "get", "--raw=/readyz"])
        click.echo(f"using the cluster of KUBECONFIG={given}")
        return
    began = time.monotonic()
    programs.install()
    programs.build()
    with alone():
        start(in_pods)
    click.echo(
        f"the node is up after {time.monotonic() - began:.0f} s\nexport KUBECONFIG={KUBECONFIG}"
    )


def start(in_pods: Sequence[str]) -> None:
    """Start what does not run, with the state that is there, and wait until the node is ready."""
    STATE.mkdir(exist_ok=True)
    certificates.make()
    for config in (HERE / "config").iterdir():
        write_config(config, pause=images.name("pause"))
    certificates.write_kubeconfigs()
    link = STATE / "kubernetes"
    link.unlink(missing_ok=True)
    link.symlink_to(programs.build())
    space.make()
    before_others = daemons.NAMES[:3]
    for name in before_others:
        daemons.start(name)
    wait("get", "--raw=/readyz", needed=before_others)
    for name in daemons.NAMES:
        daemons.start(name)
    images.load_system(in_pods)
    apply_system(in_pods)
    wait("wait", "--for=condition=Ready", "node", "--all", "--timeout=1s")
    available = ("wait", "--for=condition=Available", "deployment", "--all", "--timeout=1s")
    wait(*available, "--namespace=kube-system")
    if "external-secrets" in in_pods:
        wait(*available, "--namespace=external-secrets")
    if "metrics-server" in in_pods:
        wait("top", "nodes")


def apply_system(in_pods: Sequence[str]) -> None:
    """Apply what the node's own pods are made of."""
    apply = ("apply", "--server-side", "--force-conflicts")
    names = {program.replace("-", "_"): images.name(program) for program in in_pods}
    for program in in_pods:
        if program == "external-secrets":
            kubectl(*apply, f"--filename={programs.build()}/{programs.DEFINITIONS}")
        manifest = HERE / "system" / f"{program}.yaml"
        if manifest.exists():
            kubectl(*apply, f"--filename={write_config(manifest, **names)}")


def down() -> None:
    """End the node and remove all that it had."""
    with alone():
        space.end()
        if STATE.exists():
            shutil.rmtree(STATE)


def stop() -> None:
    """Switch the node off, as a power cut does; its state stays."""
    with alone():
        space.end()


def restart(name: str) -> None:
    """Stop one of the node's programs, and start it again."""
    with alone():
        daemons.stop(name)
        daemons.start(name)


def kubectl(*words: str) -> str:
    """Run kubectl as the administrator; it is none of the node's, and ends with this process."""
    until_killed = ["setpriv", "--pdeathsig=KILL"]
    program = [f"{STATE}/kubernetes/kubectl", f"--kubeconfig={KUBECONFIG}"]
    return space.run([*until_killed, *program, *words])


def wait(*words: str, needed: Sequence[str] = daemons.NAMES) -> None:
    """Wait until a command of kubectl succeeds."""
    deadline = time.monotonic() + READY_S
    while True:
        try:
            kubectl(*words)
        except NodeError as error:
            if time.monotonic() > deadline:
                raise NodeError(f"waited {READY_S} s; at last {error}") from error
        else:
            return
        daemons.check(needed)
        time.sleep(0.2)


@contextlib.contextmanager
def alone() -> Iterator[None]:
    """Keep out another command that changes the node: `down` removes all other places of a lock."""
    checkout = os.open(ROOT, os.O_RDONLY)
    try:
        fcntl.flock(checkout, fcntl.LOCK_EX)
        yield
    finally:
        os.close(checkout)
