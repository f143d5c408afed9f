"""The node's own programs, each a process in the node's namespaces."""

import contextlib
import signal
from collections.abc import Sequence
from pathlib import Path

from tests.cluster.node import layout, programs, space
from tests.cluster.node.layout import NAME, STATE, NodeError

LOGS = STATE / "var" / "log"
TAIL = 5
# In the order of the start.
NAMES = (
    "etcd",
    "containerd",
    "kube-apiserver",
    "kube-controller-manager",
    "kube-scheduler",
    "kubelet",
    "kube-proxy",
)


def running(name: str) -> str | None:
    """Return a program's process, by its number on the node, if it lives."""
    try:
        pid = (space.root() / "run/node" / f"{name}.pid").read_text().strip()
        words = (space.root() / "proc" / pid / "cmdline").read_bytes().split(b"\0")
    except OSError:
        return None
    # Also where it is about to be: the words of what will become it end with its own.
    return pid if any(Path(word.decode()).name == name for word in words) else None


def start(name: str) -> None:
    """Start a program, unless it runs."""
    if running(name):
        return
    script = 'setsid "$@" >>/var/log/"$0".log 2>&1 </dev/null & echo $! >/run/node/"$0".pid'
    # Nothing of the environment: a proxy in it would be asked for the node's own addresses.
    environ = ["env", "-i", "HOME=/root", "PATH=/usr/local/sbin:/usr/sbin:/usr/bin:/sbin:/bin"]
    space.run(space.inside([*environ, "sh", "-c", script, name, *_commands()[name]]))


def stop(name: str) -> None:
    """Ask a program to end, and make it: an API server with a watch open takes a minute."""
    for number in (signal.SIGTERM, signal.SIGKILL):
        pid = running(name)
        if pid is None:
            return
        space.run(space.inside(["kill", f"-{number}", pid]))
        with contextlib.suppress(NodeError):
            space.wait_until(lambda: not running(name), f"{name} has ended")
    space.wait_until(lambda: not running(name), f"{name} has ended")


def check(names: Sequence[str]) -> None:
    """Refuse to wait for programs of which one has ended."""
    for name in names:
        if not running(name):
            log = LOGS / f"{name}.log"
            tail = "\n".join(log.read_text(errors="replace").splitlines()[-TAIL:])
            raise NodeError(f"{name} has ended; the end of its log {log}:\n{tail}")


def _commands() -> dict[str, list[str]]:
    bin_ = programs.build()
    etc, pki = STATE / "etc", STATE / "pki"
    client = "http://127.0.0.1:2379"
    peer = "http://127.0.0.1:2380"
    return {
        "etcd": [
            "etcd",
            f"--name={NAME}",
            "--data-dir=/var/lib/etcd",
            f"--listen-client-urls={client}",
            f"--advertise-client-urls={client}",
            f"--listen-peer-urls={peer}",
            f"--initial-advertise-peer-urls={peer}",
            f"--initial-cluster={NAME}={peer}",
        ],
        "containerd": ["containerd", f"--config={etc}/config/containerd.toml"],
        "kube-apiserver": [
            f"{bin_}/kube-apiserver",
            f"--advertise-address={layout.NODE_ADDRESS}",
            "--allow-privileged=true",
            "--authorization-mode=Node,RBAC",
            "--enable-admission-plugins=NodeRestriction",
            f"--etcd-servers={client}",
            f"--service-cluster-ip-range={layout.SERVICE_RANGE}",
            f"--client-ca-file={pki}/ca.crt",
            f"--tls-cert-file={pki}/kube-apiserver.crt",
            f"--tls-private-key-file={pki}/kube-apiserver.key",
            # By its address: nobody knows the node's name.
            "--kubelet-preferred-address-types=InternalIP",
            f"--kubelet-certificate-authority={pki}/ca.crt",
            f"--kubelet-client-certificate={pki}/kubelet-client.crt",
            f"--kubelet-client-key={pki}/kubelet-client.key",
            "--service-account-issuer=https://kubernetes.default.svc.cluster.local",
            f"--service-account-key-file={pki}/accounts.pub",
            f"--service-account-signing-key-file={pki}/accounts.key",
            "--enable-aggregator-routing=true",
            f"--proxy-client-cert-file={pki}/front-proxy.crt",
            f"--proxy-client-key-file={pki}/front-proxy.key",
            f"--requestheader-client-ca-file={pki}/front-proxy-ca.crt",
            "--requestheader-allowed-names=front-proxy-client",
            "--requestheader-extra-headers-prefix=X-Remote-Extra-",
            "--requestheader-group-headers=X-Remote-Group",
            "--requestheader-username-headers=X-Remote-User",
        ],
        "kube-controller-manager": [
            f"{bin_}/kube-controller-manager",
            *_signed_in("kube-controller-manager"),
            "--allocate-node-cidrs=true",
            f"--cluster-cidr={layout.POD_RANGE}",
            f"--cluster-signing-cert-file={pki}/ca.crt",
            f"--cluster-signing-key-file={pki}/ca.key",
            f"--root-ca-file={pki}/ca.crt",
            f"--service-account-private-key-file={pki}/accounts.key",
            "--use-service-account-credentials=true",
        ],
        "kube-scheduler": [f"{bin_}/kube-scheduler", *_signed_in("kube-scheduler")],
        "kubelet": [
            f"{bin_}/kubelet",
            f"--config={etc}/config/kubelet.yaml",
            f"--kubeconfig={etc}/kubelet.kubeconfig",
            f"--hostname-override={NAME}",
            f"--node-ip={layout.NODE_ADDRESS}",
        ],
        "kube-proxy": [f"{bin_}/kube-proxy", f"--config={etc}/config/kube-proxy.yaml"],
    }


def _signed_in(user: str) -> list[str]:
    file = STATE / "etc" / f"{user}.kubeconfig"
    which = ("kubeconfig", "authentication-kubeconfig", "authorization-kubeconfig")
    return [*(f"--{each}={file}" for each in which), "--leader-elect=false"]
