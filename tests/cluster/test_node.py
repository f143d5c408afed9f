"""The node is a Kubernetes as others are: what they let in runs, what they refuse is refused."""

import shutil
import urllib.request
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.cluster.node import images, layout, space
from tests.cluster.node.layout import NodeError
from tests.cluster.node.lifecycle import kubectl, restart, stop, up

HERE = Path(__file__).parent
IN_HELLO = ("exec", "--namespace=hello", "deployment/hello", "--", "/busybox")
NODE_PORT = 30080

pytestmark = [pytest.mark.timeout(600), pytest.mark.usefixtures("hello")]


@pytest.fixture(scope="module")
def hello(cluster: bool, tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """A Deployment of a static program, non-root, read-only root, in a restricted namespace."""
    folder = tmp_path_factory.mktemp("hello")
    (folder / "hello").write_text("hello")
    busybox = shutil.which("busybox")
    assert busybox, "apt-get install busybox-static"
    files = {"busybox": Path(busybox), "www/hello": folder / "hello"}
    images.write(folder / "hello.tar", "iris-node/hello:local", files, ["/busybox"])
    images.load(str(folder / "hello.tar"))
    kubectl("apply", f"--filename={HERE}/hello.yaml")
    kubectl("rollout", "status", "--namespace=hello", "deployment/hello", "--timeout=60s")
    yield
    kubectl("delete", "namespace", "hello", "--timeout=60s")


def asked(address: str) -> str:
    """Return what the node gets from there."""
    return space.run(space.inside(["busybox", "wget", "-qO-", f"http://{address}/hello"]))


def test_service_is_found_by_its_name() -> None:
    """DNS names a Service's address, and the address leads from pod to pod."""
    address = kubectl("get", "svc", "-n", "hello", "hello", "-o", "jsonpath={.spec.clusterIP}")
    assert address in kubectl(*IN_HELLO, "nslookup", "hello.hello.svc.cluster.local")
    assert kubectl(*IN_HELLO, "wget", "-qO-", f"http://{address}/hello") == "hello"


def test_node_port_answers() -> None:
    """A NodePort answers on the node's own 127.0.0.1, and to the machine on the node's address."""
    assert asked(f"127.0.0.1:{NODE_PORT}") == "hello"
    with urllib.request.urlopen(f"http://{layout.NODE_ADDRESS}:{NODE_PORT}/hello") as answer:
        assert answer.read() == b"hello"


def test_nothing_leaves() -> None:
    """A packet to anywhere else has no way to go."""
    with pytest.raises(NodeError, match="unreachable"):
        space.run(space.inside(["busybox", "ping", "-c", "1", "192.0.2.1"]))


def test_metrics_are_served() -> None:
    """`kubectl top` has figures of the node."""
    assert layout.NAME in kubectl("top", "nodes")


def test_external_secret_is_kept() -> None:
    """External Secrets writes a Secret from a store, here one that has its values in itself."""
    kubectl("apply", f"--filename={HERE}/external-secret.yaml")
    wait = ("wait", "-n", "hello", "--for=condition=Ready", "--timeout=30s")
    kubectl(*wait, "externalsecret/keys")
    assert kubectl("get", "secret", "-n", "hello", "keys", "-o", "jsonpath={.data.key}") == "b25l"


def test_logs_come_from_the_kubelet() -> None:
    """The API server reaches the kubelet, and proves to it who asks."""
    assert "coredns" in kubectl("logs", "-n", "kube-system", "deployment/coredns").lower()


def test_unknown_user_is_refused() -> None:
    """Who is nobody may not even list."""
    with pytest.raises(NodeError, match="forbidden"):
        kubectl("get", "pods", "-A", "--as=nobody")


def test_node_is_held_to_its_own() -> None:
    """A kubelet writes no other node's labels."""
    kubelet = f"--kubeconfig={layout.STATE}/etc/kubelet.kubeconfig"
    label = "node-restriction.kubernetes.io/mine=yes"
    with pytest.raises(NodeError, match="not allowed to modify labels"):
        kubectl(kubelet, "label", "node", layout.NAME, label)


def test_unrestricted_pod_is_refused() -> None:
    """Pod Security is enforced where a namespace asks for it."""
    with pytest.raises(NodeError, match='violates PodSecurity "restricted'):
        kubectl("run", "root", "-n", "hello", "--image=iris-node/hello:local")


@pytest.mark.parametrize("program", ["kubelet", "containerd"])
def test_pods_outlive_a_restart(program: str) -> None:
    """Pods run on while the kubelet or containerd is started anew."""
    started = ("get", "pods", "-n", "hello", "-o", "jsonpath={.items[*].status.containerStatuses}")
    before = kubectl(*started)
    restart(program)
    assert asked(f"127.0.0.1:{NODE_PORT}") == "hello"
    space.wait_until(lambda: works(*IN_HELLO, "true"), "the kubelet runs a command again")
    assert kubectl(*started) == before


def test_state_outlives_a_stop() -> None:
    """What was applied and loaded is there after the node was switched off and on."""
    stop()
    assert space.outer() is None
    up()
    space.wait_until(lambda: works(*IN_HELLO, "true"), "the pod runs again", 60)
    space.wait_until(lambda: asked(f"127.0.0.1:{NODE_PORT}") == "hello", "the Service answers")


def works(*words: str) -> bool:
    """Tell whether a command of kubectl succeeds."""
    try:
        kubectl(*words)
    except NodeError:
        return False
    return True
