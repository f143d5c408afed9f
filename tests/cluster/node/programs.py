"""The programs that make up a node: Debian's packages, and Go modules built once and kept."""

import fcntl
import hashlib
import json
import os
import re
import shutil
import subprocess
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from types import MappingProxyType
from typing import NamedTuple

import click

from tests.cluster.node.layout import HERE, NodeError

PACKAGES = {
    "conntrack": "conntrack",
    "containerd": "containerd",
    "etcd": "etcd-server",
    "ip": "iproute2",
    "iptables": "iptables",
    "nsenter": "util-linux",
    "runc": "runc",
    "/usr/lib/cni/bridge": "containernetworking-plugins",
}
SOURCES = HERE / "go"
"""A folder a module, with the go.mod that pins it."""
IN_PODS = ("coredns", "metrics-server", "external-secrets", "pause")
BARE = ("coredns", "pause")
"""Those without which no system of ours runs."""


class Trimmed(NamedTuple):
    """A module that is built with less than it has."""

    definitions: str
    """Its definitions of resources."""
    registers: Mapping[str, Sequence[str]]
    """Packages that import all that the program may use, and what they import here."""


TRIMMED = {
    # The libraries of forty clouds, which no test asks, would be two thirds of what is built.
    "external-secrets": Trimmed(
        definitions="deploy/crds/bundle.yaml",
        registers={
            "pkg/generator/register": (),
            "pkg/provider/register": ("pkg/provider/fake",),
        },
    )
}


def install(packages: Mapping[str, str] = MappingProxyType(PACKAGES)) -> None:
    """Install those of Debian's packages whose program is missing."""
    missing = sorted(package for program, package in packages.items() if not shutil.which(program))
    if not missing:
        return
    click.echo(f"installing {' '.join(missing)}")
    if not shutil.which("apt-get"):
        raise NodeError(f"this machine lacks {' '.join(missing)}; install them, and try again")
    # Without a RUNLEVEL nothing is started that a package brings.
    environ = {**os.environ, "DEBIAN_FRONTEND": "noninteractive", "RUNLEVEL": "1"}
    for words in (["update"], ["install", "--yes", "--no-install-recommends", *missing]):
        _run(["apt-get", "--quiet=2", *words], environ=environ)


def version(module: str, sources: Path = SOURCES) -> str:
    """Return the version of the upstream module that go.mod asks for."""
    text = (sources / module / "go.mod").read_text()
    found = re.search(rf"^(?:require )?\s*\S+/{module} (v\S+)", text, re.MULTILINE)
    return found[1] if found else "local"


def build(module: str, sources: Path = SOURCES) -> Path:
    """Return the folder with the programs of a module, built where no earlier run has."""
    source = sources / module
    digest = hashlib.sha256(b"".join(file.read_bytes() for file in sorted(source.iterdir())))
    if module in TRIMMED:
        digest.update(repr(TRIMMED[module]).encode())
    cache = Path(os.environ.get("XDG_CACHE_HOME") or "~/.cache").expanduser() / "iris-cluster"
    folder = cache / f"{module}-{version(module, sources)}-{digest.hexdigest()[:12]}"
    cache.mkdir(parents=True, exist_ok=True)
    with (cache / f"{module}.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not folder.exists():
            _build(module, source, folder)
    return folder


def _build(module: str, source: Path, folder: Path) -> None:
    click.echo(f"building {folder.name}; it takes minutes, once")
    began = time.monotonic()
    partial = folder.with_name(f"{module}.partial")
    shutil.rmtree(partial, ignore_errors=True)
    partial.mkdir()
    environ = {**os.environ, "CGO_ENABLED": "0", "GOFLAGS": "-mod=readonly -buildvcs=false"}
    # Nobody debugs these, and to write for a debugger is a seventh of the compiler's work.
    flags = ["-trimpath", "-gcflags=all=-dwarf=false", "-ldflags", f"-s -w {_stamps(module)}"]
    packages = "." if (source / "main.go").exists() else "tool"
    scratch = partial / "trimmed"
    if module in TRIMMED:
        _trim(module, source, scratch, environ)
        shutil.copy(scratch / "copy" / TRIMMED[module].definitions, partial / "crds.yaml")
        flags += ["-modfile", str(scratch / "go.mod")]
    go = ["go", "-C", str(source), "build"]
    _run([*go, *flags, "-o", f"{partial}/", packages], environ=environ)
    shutil.rmtree(scratch, ignore_errors=True)
    partial.rename(folder)
    click.echo(f"built {folder.name} in {time.monotonic() - began:.0f} s")


def _trim(module: str, source: Path, scratch: Path, environ: dict[str, str]) -> None:
    """Write a go.mod that takes a copy of a module, with less in its registers."""
    upstream, copy = f"github.com/{module}/{module}", scratch / "copy"
    fetch = ["go", "-C", str(source), "mod", "download", "-json", upstream]
    shutil.copytree(json.loads(_run(fetch, environ=environ))["Dir"], copy)
    for register, kept in TRIMMED[module].registers.items():
        folder = copy / register
        for file in folder.iterdir():
            file.unlink()
        imports = "".join(f'import _ "{upstream}/{package}"\n' for package in kept)
        (folder / "register.go").write_text(f"package register\n\n{imports}")
    asked = (source / "go.mod").read_text()
    (scratch / "go.mod").write_text(f"{asked}\nreplace {upstream} => {copy}\n")
    shutil.copy(source / "go.sum", scratch)


def _stamps(module: str) -> str:
    """Tell Kubernetes its version, which a build from a module does not know."""
    if module != "kubernetes":
        return ""
    number = version(module)
    major, minor, _ = number.removeprefix("v").split(".")
    stamps = {"gitVersion": number, "gitMajor": major, "gitMinor": minor}
    packages = ("k8s.io/component-base/version", "k8s.io/client-go/pkg/version")
    return " ".join(
        f"-X {package}.{name}={value}" for package in packages for name, value in stamps.items()
    )


def _run(command: list[str], *, environ: dict[str, str]) -> str:
    done = subprocess.run(command, env=environ, capture_output=True, text=True, check=False)
    if done.returncode:
        raise NodeError(f"{' '.join(command)} failed:\n{done.stderr.strip()}")
    return done.stdout
