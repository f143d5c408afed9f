"""Images: brought in without a registry, and made of one static program without an engine."""

import hashlib
import io
import json
import os
import subprocess
import tarfile
from collections.abc import Mapping, Sequence
from pathlib import Path

from tests.cluster.node import programs, space
from tests.cluster.node.layout import NAME, NodeError

CTR = ("ctr", "--namespace=k8s.io", "images")


def load(*sources: str) -> None:
    """Bring in what is in tars, and images of the engine on this machine; those share layers."""
    tars = [source for source in sources if Path(source).is_file()]
    for tar in tars:
        with Path(tar).open("rb") as file:
            space.run(space.inside([*CTR, "import", "-"]), stdin=file)
    names = [source for source in sources if source not in tars]
    if not names:
        return
    engine = os.environ.get("DOCKER", "docker")
    with subprocess.Popen([engine, "save", *names], stdout=subprocess.PIPE) as saving:
        assert saving.stdout is not None
        try:
            space.run(space.inside([*CTR, "import", "-"]), stdin=saving.stdout)
        except NodeError as error:
            what = ", ".join(names)
            raise NodeError(f"{what}: no tar, nor did docker save give it: {error}") from error


def name(program: str) -> str:
    """Return the image of a program that runs in the node's own pods."""
    return f"{NAME}/{program}:{programs.build().name}"


def load_system(in_pods: Sequence[str]) -> None:
    """Bring in what the node's own pods run."""
    there = space.run(space.inside([*CTR, "list", "--quiet"])).split()
    for program in in_pods:
        if f"docker.io/{name(program)}" in there:
            continue
        folder = programs.build()
        tar = folder / f"{program}.tar"
        if not tar.exists():
            write(tar, name(program), {program: folder / program}, [f"/{program}"])
        load(str(tar))


def write(
    tar: Path,
    tag: str,
    files: Mapping[str, Path],
    entrypoint: Sequence[str],
    links: Mapping[str, str] | None = None,
) -> None:
    """Write an image of these files as `docker save` writes one."""
    layer = io.BytesIO()
    with tarfile.open(fileobj=layer, mode="w") as inner:
        for inside, source in files.items():
            inner.addfile(_entry(inside, source.stat().st_size), io.BytesIO(source.read_bytes()))
        for inside, target in (links or {}).items():
            link = _entry(inside, 0)
            link.type, link.linkname = tarfile.SYMTYPE, target
            inner.addfile(link)
    digest = hashlib.sha256(layer.getvalue()).hexdigest()
    config = json.dumps(
        {
            "architecture": "amd64",
            "os": "linux",
            "config": {"Entrypoint": list(entrypoint), "Env": ["PATH=/bin"]},
            "rootfs": {"type": "layers", "diff_ids": [f"sha256:{digest}"]},
        }
    ).encode()
    listing = [{"Config": "config.json", "RepoTags": [tag], "Layers": ["layer.tar"]}]
    parts = {
        "config.json": config,
        "layer.tar": layer.getvalue(),
        "manifest.json": json.dumps(listing).encode(),
    }
    partial = tar.with_suffix(".partial")
    with tarfile.open(partial, mode="w") as outer:
        for part, content in parts.items():
            outer.addfile(_entry(part, len(content)), io.BytesIO(content))
    partial.rename(tar)


def _entry(name: str, size: int) -> tarfile.TarInfo:
    entry = tarfile.TarInfo(name)
    entry.size, entry.mode = size, 0o755
    return entry
