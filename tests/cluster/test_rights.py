"""Each account may what docs/kubernetes.md lists and no more, and each pod touches nothing."""

import base64
import json
import re
import shutil
import ssl
import urllib.error
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

import pytest

from tests.cluster.system import APPS, NAMESPACE, STANDALONE, System
from tests.cluster.test_manifests import PAGE, listed_rights

RIGHTLESS = ("api-gateway", "default", "exporter", "mlflow", "trainer")
ACCOUNTS = ("inference-service", "promoter", *RIGHTLESS)
ENGINEER = "release-engineer"
TOKEN = "/var/run/secrets/kubernetes.io/serviceaccount"
# What whoever is signed in may: ask who he is, and what he may.
EVERYBODYS = {
    "create selfsubjectaccessreviews",
    "create selfsubjectreviews",
    "create selfsubjectrulesreviews",
}
CORE = f"/api/v1/namespaces/{NAMESPACE}"
APPS_API = f"/apis/apps/v1/namespaces/{NAMESPACE}"
BATCH = f"/apis/batch/v1/namespaces/{NAMESPACE}"
DRY = "?dryRun=All"  # so that what should be refused, and is not, does nothing
CONFIG = {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "another"}}


class Account(NamedTuple):
    """Somebody who is signed in by a token of his own."""

    system: System
    kubeconfig: str

    def kubectl(self, *words: str) -> str:
        """Run kubectl as him."""
        environ = {"KUBECONFIG": self.kubeconfig}
        return self.system.run(self.system.program, *words, environ=environ).out

    def rights(self, namespace: str = NAMESPACE) -> set[str]:
        """Return what `kubectl auth can-i --list` says that he may, but for what everybody may."""
        found = set()
        for line in self.kubectl("auth", "can-i", "--list", "-n", namespace).splitlines()[1:]:
            row = re.fullmatch(r"(\S*) +\[(.*?)\] +\[(.*?)\] +\[(.*?)\]", line)
            assert row, line
            resource, urls, names, verbs = row.groups()
            if urls:
                assert verbs == "get", line
                continue
            kind = re.sub(r"\.[^/]*", "", resource)  # the group is not on the page
            ends = [f"/{name}" for name in names.split()] or [""]
            found |= {f"{verb} {kind}{end}" for verb in verbs.split() for end in ends}
        assert found >= EVERYBODYS
        return found - EVERYBODYS

    def asks(self, method: str, path: str, body: object = None) -> int:
        """Send the API server a request as it stands, and return the code of its answer."""
        view = self.kubectl("config", "view", "--raw", "--minify", "--output=json")
        config = json.loads(view)
        cluster = config["clusters"][0]["cluster"]
        authority = base64.b64decode(cluster["certificate-authority-data"]).decode()
        patch = "application/merge-patch+json"
        request = urllib.request.Request(
            cluster["server"] + path,
            None if body is None else json.dumps(body).encode(),
            {
                "authorization": f"Bearer {config['users'][0]['user']['token']}",
                "content-type": patch if method == "PATCH" else "application/json",
            },
            method=method,
        )
        context = ssl.create_default_context(cadata=authority)
        opener = urllib.request.build_opener(
            urllib.request.ProxyHandler({}), urllib.request.HTTPSHandler(context=context)
        )
        try:
            with opener.open(request, timeout=20) as answer:
                return int(answer.status)
        except urllib.error.HTTPError as error:
            return error.code


def signed_in(system: System, folder: Path, name: str, namespace: str = NAMESPACE) -> Account:
    """Return an account with a kubeconfig in which there is its token, and nothing of others."""
    token = system.kubectl("create", "token", name, "-n", namespace, "--duration=1h").strip()
    path = str(folder / name)
    shutil.copy(system.kubeconfig, path)
    config = ("config", f"--kubeconfig={path}")
    for user in system.kubectl(*config, "get-users").split()[1:]:
        system.kubectl(*config, "delete-user", user)
    system.kubectl(*config, "set-credentials", name, f"--token={token}")
    system.kubectl(*config, "set-context", "--current", f"--user={name}")
    return Account(system, path)


@pytest.fixture(scope="module")
def accounts(
    whole_system: System, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[dict[str, Account]]:
    """Each account of the system, and somebody who is bound to `release-engineer` and no more."""
    system, folder = whole_system, tmp_path_factory.mktemp("accounts")
    found = {name: signed_in(system, folder, name) for name in ACCOUNTS}
    system.kubectl("create", "serviceaccount", ENGINEER, "-n", "default")
    bound = f"--serviceaccount=default:{ENGINEER}"
    system.kubectl("create", "rolebinding", ENGINEER, f"--role={ENGINEER}", bound)
    yield found | {ENGINEER: signed_in(system, folder, ENGINEER, "default")}
    system.kubectl("delete", "rolebinding", ENGINEER)
    system.kubectl("delete", "serviceaccount", ENGINEER, "-n", "default")


def told() -> dict[str, set[str]]:
    """Return the rights that the page lists."""
    rows = PAGE.partition("## Accounts and rights")[2].partition("\n## ")[0]
    cells = dict(re.findall(r"^\| `([a-z-]+)` \| .* \| (.*) \|$", rows, re.MULTILINE))
    return {who: set(listed_rights(cell)) - {" -"} for who, cell in cells.items()}


@pytest.mark.parametrize("who", [*ACCOUNTS, ENGINEER])
def test_the_api_server_lists_the_rights_that_the_page_does(
    accounts: dict[str, Account], who: str
) -> None:
    """In the system's namespace; in others nobody has any."""
    assert accounts[who].rights() == told().get(who, set())
    for namespace in ("default", "kube-system", STANDALONE):
        assert accounts[who].rights(namespace) == set()


def paths(system: System) -> dict[str, str]:
    """Return paths of what there is."""
    return {
        "pod": f"{CORE}/pods/{system.pods()[0]['metadata']['name']}",
        "gateway": f"{CORE}/pods/{system.pods('api-gateway')[0]['metadata']['name']}",
        "config": f"{CORE}/configmaps/model-config",
        "deployment": f"{APPS_API}/deployments/inference-service",
    }


def test_the_promoter_may_what_a_promotion_needs(
    system: System, accounts: dict[str, Account]
) -> None:
    """It reads and writes the one ConfigMap and the one Deployment, and asks the pods."""
    promoter, at = accounts["promoter"], paths(system)
    needed: list[tuple[str, str, Any]] = [
        ("GET", at["config"], None),
        ("PATCH", at["config"] + DRY, {}),
        ("POST", f"{CORE}/configmaps{DRY}", CONFIG),
        ("GET", at["deployment"], None),
        ("PATCH", at["deployment"] + DRY, {}),
        ("GET", f"{CORE}/pods", None),
        ("GET", f"{CORE}/events", None),
        ("GET", f"{APPS_API}/replicasets", None),
        ("GET", f"{at['pod']}/log?container=download-model", None),
        ("GET", f"{at['pod']}:5001/proxy/v1/model", None),
    ]
    answers = {(method, path): promoter.asks(method, path, body) for method, path, body in needed}
    assert {request: code for request, code in answers.items() if code not in (200, 201)} == {}


def refused(account: Account, *requests: tuple[str, str]) -> None:
    """Check that each request is refused, and by whom: the authoriser."""
    answers = {
        (method, path): account.asks(method, path, None if method == "GET" else {})
        for method, path in requests
    }
    assert {request: code for request, code in answers.items() if code != 403} == {}


def for_nobody(at: dict[str, str]) -> list[tuple[str, str]]:
    """Return requests that no account of ours may make."""
    return [
        ("GET", f"{CORE}/secrets"),
        ("GET", f"{CORE}/secrets/iris-ml-secrets"),
        ("GET", f"/api/v1/namespaces/{STANDALONE}/secrets/iris-ml-standalone"),
        ("GET", f"/api/v1/namespaces/{STANDALONE}/pods"),
        ("GET", "/api/v1/pods"),
        ("GET", "/api/v1/nodes"),
        ("POST", f"/api/v1/namespaces/default/configmaps{DRY}"),
        ("PATCH", f"{CORE}/configmaps/iris-ml-environment{DRY}"),
        ("DELETE", at["config"] + DRY),
        ("PATCH", f"{APPS_API}/deployments/api-gateway{DRY}"),
        ("PATCH", f"{APPS_API}/deployments/mlflow{DRY}"),
        ("PUT", at["deployment"] + DRY),
        ("DELETE", at["deployment"] + DRY),
        ("PATCH", f"{at['deployment']}/scale{DRY}"),
        ("DELETE", at["pod"] + DRY),
        ("DELETE", f"{CORE}/pods{DRY}"),
        ("POST", f"{at['pod']}/exec?command=id&stdout=true&container=inference-service"),
        ("POST", f"{at['pod']}/eviction{DRY}"),
        ("POST", f"{CORE}/pods{DRY}"),
        ("POST", f"{CORE}/serviceaccounts/promoter/token"),
        ("POST", f"/apis/rbac.authorization.k8s.io/v1/namespaces/{NAMESPACE}/rolebindings{DRY}"),
        ("PATCH", f"/apis/rbac.authorization.k8s.io/v1/namespaces/{NAMESPACE}/roles/promoter{DRY}"),
    ]


def test_the_promoter_may_nothing_else(system: System, accounts: dict[str, Account]) -> None:
    """No other object, no Secret, no exec, no scale, no other namespace, no Job."""
    at = paths(system)
    also = [("POST", f"{BATCH}/jobs{DRY}"), ("POST", f"{at['pod']}:5001/proxy/v1/model")]
    refused(accounts["promoter"], *for_nobody(at), *also)


def test_the_init_container_may_read_pods_and_no_more(
    system: System, accounts: dict[str, Account]
) -> None:
    """It asks for its own pod; its right is one to any pod of the namespace, by name."""
    at = paths(system)
    assert accounts["inference-service"].asks("GET", at["pod"]) == 200
    also = [
        ("GET", f"{CORE}/pods"),
        ("GET", f"{at['pod']}/log"),
        ("GET", f"{at['pod']}:5001/proxy/v1/model"),
        ("GET", at["config"]),
        ("PATCH", at["config"] + DRY),
        ("POST", f"{CORE}/configmaps{DRY}"),
        ("PATCH", at["deployment"] + DRY),
        ("POST", f"{BATCH}/jobs{DRY}"),
    ]
    refused(accounts["inference-service"], *for_nobody(at), *also)


def test_who_needs_no_right_is_refused_all(system: System, accounts: dict[str, Account]) -> None:
    """Even to look."""
    at = paths(system)
    for who in RIGHTLESS:
        refused(accounts[who], ("GET", at["pod"]), ("GET", at["config"]), *for_nobody(at))


def test_a_release_engineer_promotes_by_the_role_alone(
    system: System, accounts: dict[str, Account]
) -> None:
    """Here what serves already, which changes nothing; beyond the Job he may only look on."""
    engineer, at = accounts[ENGINEER], paths(system)
    version = system.config()["MODEL_VERSION"]
    promote = ("make", "--no-print-directory", "promote-dev", f"VERSION={version}", "REASON=again")
    done = system.run(*promote, environ={"KUBECONFIG": engineer.kubeconfig})
    assert "serves already" in done.out
    also = [
        ("GET", at["config"]),
        ("PATCH", at["config"] + DRY),
        ("POST", f"{CORE}/configmaps{DRY}"),
        ("PATCH", at["deployment"] + DRY),
        ("GET", f"{at['pod']}:5001/proxy/v1/model"),
        ("PATCH", f"{BATCH}/cronjobs/promote{DRY}"),
        ("GET", f"{BATCH}/cronjobs/retrain"),
        ("DELETE", f"{BATCH}/jobs{DRY}"),
    ]
    refused(engineer, *for_nobody(at), *also)


LOOK = f"id -u; touch /written; test -e {TOKEN}/token && echo token; true"
SHELL = ("sh", "-c", f"exec 2>&1; {LOOK}")


class Look(NamedTuple):
    """What a container found out about itself."""

    root: bool
    read_only: bool
    token: bool

    @classmethod
    def parse(cls, lines: list[str]) -> "Look":
        """Read what `LOOK` printed."""
        return cls(lines[0] == "0", "Read-only file system" in lines[1], "token" in lines)


HARMLESS = Look(root=False, read_only=True, token=False)


def test_what_runs_is_not_root_cannot_write_and_has_no_token(system: System) -> None:
    """Asked in the containers themselves."""
    workloads = [(NAMESPACE, f"deployment/{app}") for app in APPS]
    workloads += [(STANDALONE, "statefulset/azurite"), (STANDALONE, "statefulset/postgres")]
    looks = {
        workload: Look.parse(
            system.kubectl("exec", "-n", namespace, workload, "--", *SHELL).splitlines()
        )
        for namespace, workload in workloads
    }
    assert looks == dict.fromkeys(looks, HARMLESS)


@pytest.mark.parametrize(("cronjob", "token"), [("promote", True), ("retrain", False)])
def test_what_runs_as_a_job_is_not_root_and_cannot_write(
    whole_system: System, cronjob: str, token: bool
) -> None:
    """As the others; the promoter's has a token."""
    system, name = whole_system, f"look-{cronjob}"
    words = ("create", "job", name, f"--from=cronjob/{cronjob}", "--dry-run=client", "-o", "json")
    job = json.loads(system.kubectl(*words))
    container = job["spec"]["template"]["spec"]["containers"][0]
    container |= {"command": list(SHELL), "args": []}
    system.kubectl("create", "--filename=-", stdin=json.dumps(job))
    try:
        system.kubectl("wait", "--for=condition=Complete", f"job/{name}", "--timeout=120s")
        lines = system.kubectl("logs", f"job/{name}").splitlines()
    finally:
        system.kubectl("delete", "job", name)
    assert Look.parse(lines) == HARMLESS._replace(token=token)


def test_the_init_container_alone_has_the_token(system: System) -> None:
    """As the API server has the pods, whoever has changed them on their way in."""
    for pod in system.pods():
        every = [*pod["spec"]["initContainers"], *pod["spec"]["containers"]]
        where = {c["name"] for c in every for m in c["volumeMounts"] if m["mountPath"] == TOKEN}
        assert where == {"download-model"}
        for container in every:
            assert container["securityContext"]["readOnlyRootFilesystem"]
        assert pod["spec"]["securityContext"]["runAsNonRoot"]


@pytest.mark.parametrize("namespace", [NAMESPACE, STANDALONE])
def test_a_privileged_pod_is_refused(whole_system: System, namespace: str) -> None:
    """Also to the administrator: the namespace enforces restricted security."""
    system = whole_system
    words = ("run", "root", "-n", namespace, "--image=iris-gateway:local", "--privileged")
    done = system.run(system.program, *words, "--dry-run=server", code=1)
    assert 'violates PodSecurity "restricted' in done.err


@pytest.mark.parametrize(
    ("user", "status"), [(None, 401), ("iris:guessed", 401), ("iris:{password}", 200)]
)
@pytest.mark.parametrize(
    "path",
    ["/", "/api/2.0/mlflow/registered-models/search", "/api/2.0/mlflow-artifacts/artifacts"],
)
def test_mlflow_answers_who_has_signed_in(
    whole_system: System, user: str | None, status: int, path: str
) -> None:
    """Whoever reaches its port, through the API server say, has no right by that alone."""
    system = whole_system
    request = urllib.request.Request(f"{system.url('mlflow')}{path}")
    if user:
        named = user.format(password=system.secret("iris-ml-secrets", "mlflow-password"))
        signed = base64.b64encode(named.encode()).decode()
        request.add_header("authorization", f"Basic {signed}")
    try:
        with urllib.request.urlopen(request, timeout=10) as answer:
            found = answer.status
    except urllib.error.HTTPError as error:
        found = error.code
    assert found == status
