"""Terraform's modules and environments, by the provider's real schema, on a mocked Azure."""

import json
import re
import subprocess
from typing import Any

import pytest

from tests.azure.configuration import Resource, resources
from tests.azure.tofu import FOLDERS, TERRAFORM, Tofu
from tests.unit.project.pyproject import ROOT

pytestmark = pytest.mark.timeout(1800)
"""Whichever is first builds OpenTofu and the provider, where no earlier run has."""
ENVIRONMENTS = ("dev", "prod")
VARIABLE = re.compile(r'^variable "(\w+)" \{\n(.*?)^\}', re.MULTILINE | re.DOTALL)
SHARED = resources(TERRAFORM / "environments" / "shared")

LIGHT = {
    "azurerm_federated_identity_credential": "made again, it is the same",
    "azurerm_postgresql_flexible_server_active_directory_administrator": "the same",
    "azurerm_role_assignment": "the same",
    "azurerm_role_definition": "the same",
    "azurerm_storage_management_policy": "the same",
    "azurerm_storage_object_replication": "a failover ends it",
    "azurerm_user_assigned_identity": "those of GitHub's jobs, which hold nothing",
}
"""What `shared` may lose, and why; all else of it has `prevent_destroy`."""

BOTH = {
    "azurerm_federated_identity_credential",
    "azurerm_resource_group",
    "azurerm_role_assignment",
    "azurerm_user_assigned_identity",
}
"""Kinds of which shared and the environments each have their own, under other names."""


Made = dict[str, list[dict[str, Any]]]


@pytest.fixture(scope="session")
def made(tofu: Tofu) -> Made:
    """What each root makes where it is asked for all that there can be."""
    return {
        root: [r for r in tofu.applied(f"environments/{root}") if r["mode"] == "managed"]
        for root in ("shared", *ENVIRONMENTS)
    }


def test_all_is_laid_out_as_tofu_does(tofu: Tofu) -> None:
    """`tofu fmt` would change nothing."""
    tofu.run(".", "fmt", "-check", "-diff", "-recursive")


@pytest.mark.parametrize("folder", FOLDERS)
def test_the_providers_schema_takes_it(tofu: Tofu, folder: str) -> None:
    """No argument is misspelt, missing, or of another type, in azurerm as it is today."""
    tofu.init(folder)
    said = json.loads(tofu.run(folder, "validate", "-json"))
    assert said["valid"]
    assert not said["diagnostics"], "nor is anything deprecated"


@pytest.mark.parametrize("folder", FOLDERS)
def test_its_own_tests_pass(tofu: Tofu, folder: str) -> None:
    """Each has tests, of what it makes and of what it refuses."""
    tofu.init(folder)
    said = tofu.run(folder, "test", "-no-color")
    assert re.search(r"^Success! [1-9]\d* passed, 0 failed\.$", said, re.MULTILINE), said


@pytest.mark.parametrize("folder", FOLDERS)
def test_every_validation_has_been_seen_to_refuse(folder: str) -> None:
    """A rule that nothing has broken may be one that nothing can break."""
    text = (TERRAFORM / folder / "variables.tf").read_text()
    ruled = {name for name, body in VARIABLE.findall(text) if "validation {" in body}
    tests = "".join(f.read_text() for f in (TERRAFORM / folder / "tests").glob("*.tftest.hcl"))
    refused = set(re.findall(r"var\.(\w+)", "".join(re.findall(r"expect_failures = .*", tests))))
    assert refused == ruled


def test_a_refused_value_is_told_with_what_is_expected(tofu: Tofu) -> None:
    """Each message begins with the variable, and says what would be right."""
    messages = [
        (name, message)
        for file in TERRAFORM.rglob("variables.tf")
        for name, body in VARIABLE.findall(file.read_text())
        for message in re.findall(r'error_message = "(.*)"$', body, re.MULTILINE)
    ]
    assert len(messages) > 20
    assert not [m for name, m in messages if not m.startswith(f"{name}: expected ")]

    tofu.init("modules/region")
    names = ("-var=name=Iris", "-var=environment=prod", "-var=location=westeurope")
    assert "name: expected 3 to 12 of" in tofu.run(
        "modules/region", "plan", "-no-color", "-input=false", *names, code=1
    ).replace("\n", " ")


def _told(resource: Resource) -> str:
    return f"{resource.folder}: {resource.kind}.{resource.name}"


def test_what_is_shared_can_not_be_destroyed() -> None:
    """Of what `shared` keeps, each resource refuses any plan that would destroy it."""
    kept = [r for r in SHARED if r.kind not in LIGHT]
    assert {r.kind for r in SHARED} >= LIGHT.keys()
    assert {r.kind for r in kept} == {
        "azurerm_container_registry",
        "azurerm_key_vault",
        "azurerm_postgresql_flexible_server",
        "azurerm_postgresql_flexible_server_database",
        "azurerm_public_ip",
        "azurerm_resource_group",
        "azurerm_storage_account",
        "azurerm_storage_container",
        "azurerm_storage_container_immutability_policy",
    }
    assert not [_told(r) for r in kept if "    prevent_destroy = true\n" not in r.body]


@pytest.mark.parametrize("environment", ENVIRONMENTS)
def test_no_environment_declares_what_is_shared(environment: str) -> None:
    """So a cluster that is destroyed, with all of its environment, takes none of it along."""
    own = resources(TERRAFORM / "environments" / environment)
    assert own
    assert {r.kind for r in own} & {r.kind for r in SHARED} == BOTH
    assert not {r.folder for r in own} & {r.folder for r in SHARED}
    text = "".join(f.read_text() for f in TERRAFORM.rglob("*.tf"))
    assert "terraform_remote_state" not in text


def test_names_of_shared_and_environments_are_apart(made: Made) -> None:
    """Nor does a resource group, which takes all that is in it along, have the name of another."""
    groups = [
        r["values"]["name"]
        for root in made
        for r in made[root]
        if r["type"] == "azurerm_resource_group"
    ]
    shared = ["iris-ml-shared-second", "iris-ml-shared"]
    assert groups == [*shared, "iris-ml-dev", "iris-ml-prod"]


WATCHING = {
    "azurerm_log_analytics_workspace",
    "azurerm_monitor_data_collection_endpoint",
    "azurerm_monitor_workspace",
}
"""What Azure Monitor offers under public names of its own, to identities alone: docs/azure.md."""
SWITCH = re.compile("public_network_access_enabled|internet_.*_access_type")


def test_nothing_but_the_entry_has_a_public_address(made: Made) -> None:
    """In prod and in what it shares: one public address, asked for by name; all else is private.

    What a resource leaves unsaid is not private.
    """
    resources = made["prod"] + made["shared"]
    addresses = [r for r in resources if "public_ip" in r["type"]]
    assert [r["values"]["name"] for r in addresses] == ["iris-ml-entry"]
    switches = [
        (r["type"], value)
        for r in resources
        for name, value in r["values"].items()
        if SWITCH.match(name)
    ]
    assert {kind for kind, value in switches if value is not False} == WATCHING
    assert {kind for kind, value in switches if value is False} == {
        "azurerm_container_registry",
        "azurerm_key_vault",
        "azurerm_postgresql_flexible_server",
        "azurerm_storage_account",
    }
    (cluster,) = [r["values"] for r in resources if r["type"] == "azurerm_kubernetes_cluster"]
    assert cluster["private_cluster_enabled"]
    assert not cluster["private_cluster_public_fqdn_enabled"]


PLACES = {
    r"/containers/(\w+)": "`{0}`",
    r"/namespaces/iris-ml": "the namespace `iris-ml`",
    r"/managedClusters/[\w-]+": "the cluster",
    r"/subnets/\w+": "the nodes' subnet",
    r"/publicIPAddresses/[\w-]+": "the public address",
    r"/registries/\w+": "the registry",
    r"/vaults/[\w-]+": "the vault",
    r"/subscriptions/[\w-]+": "the subscription",
    r"/userAssignedIdentities/\w+": "the kubelets' identity",
}


def _place(scope: str) -> str:
    for pattern, text in PLACES.items():
        if found := re.search(f"{pattern}$", scope):
            return text.format(*found.groups())
    raise AssertionError(scope)


def _only(condition: str | None) -> str:
    paths = re.findall(r"StringLike '([^']+)'", condition or "")
    # A clause of its own, behind that of the paths, forbids to read.
    blind = (condition or "").endswith("AND NOT SubOperationMatches{'Blob.List'}))")
    return ", ".join(f"`{path}`" for path in paths) + ", reading none" * blind


def _row(assignment: dict[str, Any]) -> tuple[str, str, str, str]:
    values = assignment["values"]
    who = str(assignment.get("index", assignment["name"])).split(" ")[0]
    if values["principal_type"] == "Group":
        who = "administrators"
    return (
        f"`{who}`",
        values["role_definition_name"],
        _place(values["scope"]),
        _only(values["condition"]),
    )


def _rights(resources: list[dict[str, Any]]) -> set[tuple[str, ...]]:
    return {_row(r) for r in resources if r["type"] == "azurerm_role_assignment"}


def test_who_may_do_what_is_what_the_page_says(made: Made) -> None:
    """Each role assignment that prod and shared make is a row of docs/azure.md, and no others."""
    page = (ROOT / "docs" / "azure.md").read_text()
    section = page.partition("## Who may do what")[2].partition("\n## ")[0]
    table = section.partition("\n| role | may |")[0]
    rows = [
        tuple(cell.strip() for cell in line.removeprefix("|").removesuffix("|").split("|"))
        for line in table.splitlines()
        if line.startswith("| `")
    ]
    assert sorted(rows) == sorted(_rights(made["prod"]) | _rights(made["shared"]))


def test_dev_has_the_rights_of_prod(made: Made) -> None:
    """What is tried in dev is what prod gets: the same table, with `dev` in the place of `prod`."""
    dev, prod = (
        {tuple(cell.replace(root, "…") for cell in row) for row in _rights(made[root])}
        for root in ENVIRONMENTS
    )
    assert dev == prod


@pytest.mark.parametrize("environment", ENVIRONMENTS)
def test_the_accounts_are_those_of_the_cluster(made: Made, environment: str) -> None:
    """Each ServiceAccount that the overlay gives a client id has an identity, and no other has."""
    subjects = [
        r["values"]["subject"]
        for r in made[environment]
        if r["type"] == "azurerm_federated_identity_credential"
    ]
    overlay = (ROOT / "k8s" / "overlays" / environment / "azure.yaml").read_text()
    accounts = re.findall(r"^  ([\w-]+): \S+$", overlay.partition("# Client ids")[2], re.MULTILINE)
    assert sorted(s for s in subjects if s.startswith("system:")) == sorted(
        f"system:serviceaccount:iris-ml:{account}" for account in accounts
    )


@pytest.mark.parametrize("environment", ENVIRONMENTS)
def test_azure_yaml_is_written_from_the_outputs(environment: str) -> None:
    """The program writes the overlay's file as it is, of the values that are in it."""
    file = ROOT / "k8s" / "overlays" / environment / "azure.yaml"
    data = dict(
        re.findall(r"^  ([\w-]+): (\S+)$", file.read_text().partition("\ndata:\n")[2], re.MULTILINE)
    )
    outputs = json.dumps({"azure_yaml": {"value": data}})
    written = subprocess.run(
        [TERRAFORM / "azure-yaml"], input=outputs, capture_output=True, text=True, check=True
    )
    assert written.stdout == file.read_text()


def test_without_outputs_no_azure_yaml_is_written() -> None:
    """An environment that was never applied has none, and is told so."""
    done = subprocess.run(
        [TERRAFORM / "azure-yaml"], input="{}", capture_output=True, text=True, check=False
    )
    assert (done.returncode, done.stdout) == (1, "")
    assert "has this environment been applied?" in done.stderr
