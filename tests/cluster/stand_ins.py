"""Stand-ins for `az` and `terraform`: they take what the runbook types, and refuse all else.

What it does on Azure is done where the tests' cluster has its like: blobs in Azurite, secrets in
the fake provider of External Secrets, the password in the PostgreSQL of `standalone`. What has no
like (nodes, regions, versions of blobs) is checked for its shape, and that is all.
"""

import argparse
import json
import os
import re
import subprocess
import sys
from pathlib import Path

from azure.core.exceptions import ResourceExistsError
from azure.storage.blob import ContainerClient

SIGN_IN = "AZURE_STORAGE_CONNECTION_STRING"
STORE = "secretstore/key-vault"


def blob_list(given: argparse.Namespace) -> None:
    """List the names of blobs."""
    names = _container(given).list_blob_names(name_starts_with=given.prefix)
    sys.stdout.writelines(f"{name}\n" for name in names)


def blob_upload(given: argparse.Namespace) -> None:
    """Upload a file; one that is there is refused."""
    data = Path(given.file).read_bytes()
    try:
        _container(given).upload_blob(given.name, data)
    except ResourceExistsError:
        sys.exit("ERROR: The specified blob already exists.")


def set_secret(given: argparse.Namespace) -> None:
    """Give a secret another value."""
    value = Path(given.file).read_text() if given.file else given.value
    found = json.loads(_kubectl("get", STORE, "--output=json"))
    data = found["spec"]["provider"]["fake"]["data"]
    patch = [
        {"op": "replace", "path": f"/spec/provider/fake/data/{number}/value", "value": value}
        for number, entry in enumerate(data)
        if entry["key"] == given.name
    ]
    assert patch, f"there is no secret {given.name}"
    _kubectl("patch", STORE, "--type=json", f"--patch={json.dumps(patch)}")


def execute(given: argparse.Namespace) -> None:
    """Make a role of the database, or let one sign in no more."""
    make, change = r"CREATE ROLE \w+ LOGIN PASSWORD '\w+' IN ROLE mlflow", r"ALTER ROLE \w+"
    assert re.fullmatch(f"{make}|{change} (SET ROLE mlflow|NOLOGIN)", given.querytext)
    shell = ("exec", "postgres-0", "--", "psql", "--username=mlflow", "--command", given.querytext)
    _kubectl("--namespace=iris-ml-standalone", *shell)


def nothing(_: argparse.Namespace) -> None:
    """Do nothing."""


def _container(given: argparse.Namespace) -> ContainerClient:
    return ContainerClient.from_connection_string(os.environ[SIGN_IN], given.container_name)


def _kubectl(*words: str) -> str:
    return subprocess.check_output([os.environ["KUBECTL"], *words], text=True)


def az() -> argparse.ArgumentParser:
    """Return what `az` takes."""
    parser = argparse.ArgumentParser("az", allow_abbrev=False)
    groups = parser.add_subparsers(required=True, dest="group")

    def command(*words: str) -> argparse.ArgumentParser:
        found = groups
        for word in words[:-1]:
            there = found.choices.get(word) or found.add_parser(word, allow_abbrev=False)
            found = there.get_default("below") or there.add_subparsers(required=True)
            there.set_defaults(below=found)
        return found.add_parser(words[-1], allow_abbrev=False)

    def of_blobs(name: str) -> argparse.ArgumentParser:
        made = command("storage", "blob", name)
        made.add_argument("--auth-mode", choices=["login"], required=True)
        made.add_argument("--account-name", choices=["irisml"], required=True)
        made.add_argument("--container-name", choices=["models"], required=True)
        return made

    made = of_blobs("list")
    made.add_argument("--prefix", default="")
    made.add_argument("--query", choices=["[].name"])
    made.add_argument("--include", choices=["dv"])
    made.add_argument("--output", choices=["tsv", "table"], required=True)
    made.set_defaults(run=blob_list)
    made = of_blobs("upload")
    made.add_argument("--name", required=True)
    made.add_argument("--file", required=True)
    made.set_defaults(run=blob_upload)
    made = of_blobs("undelete")
    made.add_argument("--name", required=True)
    made.set_defaults(run=nothing)
    made = command("keyvault", "secret", "set")
    made.add_argument("--vault-name", choices=["iris-ml-dev"], required=True)
    made.add_argument("--name", required=True)
    value = made.add_mutually_exclusive_group(required=True)
    value.add_argument("--file")
    value.add_argument("--value")
    made.add_argument("--output", choices=["none"], required=True)
    made.set_defaults(run=set_secret)
    made = command("postgres", "flexible-server", "execute")
    made.add_argument("--name", required=True)
    made.add_argument("--admin-user", required=True)
    made.add_argument("--admin-password", required=True)
    made.add_argument("--database-name", required=True)
    made.add_argument("--querytext", required=True)
    made.add_argument("--output", choices=["none"], required=True)
    made.set_defaults(run=execute)
    made = command("aks", "nodepool", "update")
    made.add_argument("--resource-group", required=True)
    made.add_argument("--cluster-name", required=True)
    made.add_argument("--name", required=True)
    made.add_argument("--update-cluster-autoscaler", action="store_true", required=True)
    made.add_argument("--min-count", type=int, required=True)
    made.add_argument("--max-count", type=int, required=True)
    made.set_defaults(run=nothing)
    return parser


def terraform() -> argparse.ArgumentParser:
    """Return what `terraform` takes."""
    parser = argparse.ArgumentParser("terraform", allow_abbrev=False)
    parser.add_argument("-chdir", required=True)
    parser.set_defaults(run=nothing)
    commands = parser.add_subparsers(required=True)
    init = commands.add_parser("init", allow_abbrev=False)
    init.add_argument("-backend-config", required=True)
    commands.add_parser("plan", allow_abbrev=False).add_argument("-out", required=True)
    commands.add_parser("apply", allow_abbrev=False).add_argument("plan")
    return parser


def put_into(folder: Path) -> None:
    """Write both as programs into a folder."""
    for name in ("az", "terraform"):
        program = folder / name
        program.write_text(f'#!/bin/sh\nexec {sys.executable} -m {__name__} {name} "$@"\n')
        program.chmod(0o755)


if __name__ == "__main__":
    parsed = {"az": az, "terraform": terraform}[sys.argv[1]]().parse_args(sys.argv[2:])
    parsed.run(parsed)
