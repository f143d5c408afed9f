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
MODULE = "kubernetes"
"""That of all programs here: they share one set of libraries, so that each is compiled once."""
IN_PODS = ("coredns", "metrics-server", "external-secrets", "pause")
BARE = ("coredns", "pause")
"""Those without which no system of ours runs."""
EXTERNAL_SECRETS = "github.com/external-secrets/external-secrets"
DEFINITIONS = "crds.yaml"
"""Its definitions of resources, beside the programs."""
# Without the libraries of forty clouds, which no test asks, and which would be most of the work.
REGISTERS: Mapping[str, Sequence[str]] = MappingProxyType(
    {"pkg/generator/register": (), "pkg/provider/register": ("pkg/provider/fake",)}
)
"""Its packages that import all that it may use, and what they import here."""


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
    """Return the version that go.mod asks for of the module upstream that has the same name."""
    text = (sources / module / "go.mod").read_text()
    found = re.search(rf"^(?:require )?\s*[\w.]+/(?:\w+/)?{module} (v\S+)", text, re.MULTILINE)
    assert found, module
    return found[1]


def build(module: str = MODULE, sources: Path = SOURCES) -> Path:
    """Return the folder with the programs of a module, built where no earlier run has."""
    source = sources / module
    files = sorted(file for file in source.rglob("*") if file.is_file())
    digest = hashlib.sha256()
    for file in files:
        digest.update(f"{file.relative_to(source)}\n".encode() + file.read_bytes())
    if module == MODULE:
        digest.update(repr(REGISTERS).encode())
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
    scratch = partial / "trimmed"
    if module == MODULE:
        _trim(source, scratch, environ)
        shutil.copy(scratch / "copy/deploy/crds/bundle.yaml", partial / DEFINITIONS)
        flags += ["-modfile", str(scratch / "go.mod")]
    build = ["go", "-C", str(source), "build", *flags, "-o", f"{partial}/"]
    _run([*build, "tool", "./..."], environ=environ)
    shutil.rmtree(scratch, ignore_errors=True)
    partial.rename(folder)
    click.echo(f"built {folder.name} in {time.monotonic() - began:.0f} s")


def _trim(source: Path, scratch: Path, environ: dict[str, str]) -> None:
    """Write a go.mod that takes a copy of External Secrets, with less in its registers."""
    copy = scratch / "copy"
    fetch = ["go", "-C", str(source), "mod", "download", "-json", EXTERNAL_SECRETS]
    kept_read_only = json.loads(_run(fetch, environ=environ))["Dir"]
    scratch.mkdir()
    _run(["cp", "--recursive", "--no-preserve=mode", kept_read_only, str(copy)], environ=environ)
    for register, kept in REGISTERS.items():
        folder = copy / register
        for file in folder.iterdir():
            file.unlink()
        imports = "".join(f'import _ "{EXTERNAL_SECRETS}/{package}"\n' for package in kept)
        (folder / "register.go").write_text(f"package register\n\n{imports}")
    asked = (source / "go.mod").read_text()
    (scratch / "go.mod").write_text(f"{asked}\nreplace {EXTERNAL_SECRETS} => {copy}\n")
    shutil.copy(source / "go.sum", scratch)


def _stamps(module: str) -> str:
    """Tell Kubernetes its version, which a build from a module does not know."""
    if module != MODULE:
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
