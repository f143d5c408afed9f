"""From images to what a deploy takes: pushed, found again by digest, and told what they are of."""

import json
import os
import shutil
import subprocess
import time
import urllib.request
from collections.abc import Iterator, Mapping
from pathlib import Path

import pytest
from cyclonedx.model.bom import Bom

from tests.compose.conftest import ROOT
from tests.support.ports import free_port
from tests.unit.project.test_delivery import manifests_of, pinned

TAG = f"push-test-{os.getpid()}"
IMAGES = ("download-model", "gateway")  # the small ones
PUSHED = ROOT / "dist" / "images.txt"
DOCKER = os.environ.get("DOCKER", "docker")
# Takes the certificate of whoever signed as it is told to.
COSIGN = """#!/bin/sh
printf '%s\\n' "$*" >> "$ASKED"
exit "${REFUSED:-0}"
"""


def docker(*words: str) -> str:
    """Run a command of the engine's client."""
    return subprocess.run([DOCKER, *words], capture_output=True, text=True, check=True).stdout


class Delivery:
    """What is typed, with an image registry on loopback."""

    def __init__(self, registry: str, folder: Path) -> None:
        self.registry = registry
        self.asked = folder / "asked"
        self.asked.touch()
        (folder / "cosign").write_text(COSIGN)
        (folder / "cosign").chmod(0o755)
        self._variables = (
            f"COSIGN={folder / 'cosign'}",
            f"DOCKER={DOCKER}",
            f"IMAGES={' '.join(IMAGES)}",
        )

    def make(self, *words: str, code: int = 0, environ: Mapping[str, str] = {}) -> str:
        """Run a target, and return what it said."""
        done = subprocess.run(
            ["make", "--no-print-directory", *self._variables, *words],
            cwd=ROOT,
            env={**os.environ, "ASKED": str(self.asked), "MAKEFLAGS": "", **environ},
            capture_output=True,
            text=True,
            check=False,
        )
        assert done.returncode == code, done.stdout + done.stderr
        return done.stdout + done.stderr

    def digest(self, image: str, tag: str) -> str:
        """Ask the registry itself by which digest it has an image."""
        request = urllib.request.Request(
            f"http://{self.registry.partition('/')[0]}/v2/team/iris-{image}/manifests/{tag}",
            headers={"Accept": "application/vnd.docker.distribution.manifest.v2+json"},
        )
        with urllib.request.urlopen(request) as answer:
            return str(answer.headers["Docker-Content-Digest"])


@pytest.fixture(scope="module")
def delivery(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Delivery]:
    """Debian's image registry, and images of ours under a tag of their own."""
    tmp_path = tmp_path_factory.mktemp("delivery")
    program = shutil.which("docker-registry")
    if not program:
        pytest.skip("there is no docker-registry: apt-get install docker-registry")
    port = free_port()
    (tmp_path / "config.yml").write_text(
        f"version: 0.1\nstorage: {{filesystem: {{rootdirectory: {tmp_path / 'blobs'}}}}}\n"
        f"http: {{addr: '127.0.0.1:{port}'}}\n"
    )
    with (tmp_path / "log").open("w") as log:
        process = subprocess.Popen(
            [program, "serve", tmp_path / "config.yml"], stdout=log, stderr=log
        )
    kept = PUSHED.read_bytes() if PUSHED.exists() else None
    try:
        _wait(f"http://127.0.0.1:{port}/v2/")
        for image in IMAGES:
            docker("tag", f"iris-{image}:local", f"iris-{image}:{TAG}")
        yield Delivery(f"127.0.0.1:{port}/team", tmp_path)
    finally:
        process.kill()
        process.wait()
        for image in IMAGES:
            subprocess.run([DOCKER, "image", "rm", f"iris-{image}:{TAG}"], check=False)
        if kept is None:
            PUSHED.unlink(missing_ok=True)
        else:
            PUSHED.write_bytes(kept)


def _wait(url: str) -> None:
    for _ in range(100):
        try:
            urllib.request.urlopen(url).close()
        except OSError:
            time.sleep(0.1)
        else:
            return
    pytest.fail(f"{url} does not answer")


def test_what_is_pushed_is_deployed_by_digest(delivery: Delivery) -> None:
    """The digests that the registry has are those that a deploy asks it for."""
    delivery.make("push", f"REGISTRY={delivery.registry}", f"TAG={TAG}")
    written = dict(line.split() for line in PUSHED.read_text().splitlines())
    assert written == {
        f"iris-{image}": f"{delivery.registry}/iris-{image}@{delivery.digest(image, TAG)}"
        for image in IMAGES
    }
    deployed = pinned(PUSHED, manifests_of(*IMAGES))
    assert deployed == [f"image: {reference}" for reference in written.values()]
    delivery.make("sign")
    attest = "attest --yes --type cyclonedx --predicate dist/sbom"
    assert delivery.asked.read_text().splitlines() == [
        words
        for image, reference in zip(IMAGES, written.values(), strict=True)
        for words in (f"sign --yes {reference}", f"{attest}/{image}.cdx.json {reference}")
    ]
    # No name of the registry is left with the engine.
    assert delivery.registry not in docker("image", "ls", "--format", "{{.Repository}}:{{.Tag}}")


def test_what_cannot_be_pushed_leaves_no_digests(delivery: Delivery) -> None:
    """A deploy takes all images of a push, or none."""
    PUSHED.parent.mkdir(exist_ok=True)
    PUSHED.write_text("those before\n")
    unmade = f"IMAGES={IMAGES[0]} nothing"
    delivery.make("push", unmade, f"REGISTRY={delivery.registry}", f"TAG={TAG}", code=2)
    assert PUSHED.read_text() == "those before\n"


def test_a_commits_images_are_found_by_digest_once_their_signature_is_good(
    delivery: Delivery,
) -> None:
    """The signature is asked for by the commit and by CI's own name, of the very digest."""
    commit = subprocess.run(
        ["git", "rev-parse", "HEAD"], cwd=ROOT, capture_output=True, text=True, check=True
    ).stdout.strip()
    for image in IMAGES:
        docker("tag", f"iris-{image}:{TAG}", f"iris-{image}:{commit}")
    try:
        delivery.make("push", f"REGISTRY={delivery.registry}", f"TAG={commit}")
    finally:
        for image in IMAGES:
            docker("image", "rm", f"iris-{image}:{commit}")
    pushed = PUSHED.read_text()
    PUSHED.unlink()
    environ = {"MAIN": "HEAD", "GITHUB_REPOSITORY": "team/iris"}
    found = ("released", f"REGISTRY={delivery.registry}", "VERSION=HEAD")

    said = delivery.make(*found, code=2, environ={**environ, "REFUSED": "1"})
    assert not PUSHED.exists(), said

    delivery.make(*found, environ=environ)
    assert PUSHED.read_text() == pushed
    asked = delivery.asked.read_text().splitlines()[-len(IMAGES) :]
    for line, image in zip(asked, IMAGES, strict=True):
        assert "team/iris/.github/workflows/ci.yml@refs/heads/main" in line
        assert f"--certificate-github-workflow-sha {commit}" in line
        assert line.endswith(f"/iris-{image}@{delivery.digest(image, commit)}")


def test_an_sbom_names_what_is_in_an_image(delivery: Delivery) -> None:
    """What the lock and Debian brought, and no more, as the format's own library reads it."""
    sboms = [ROOT / "dist" / "sbom" / f"{image}.cdx.json" for image in IMAGES]
    try:
        delivery.make("sbom", f"TAG={TAG}")
        texts = [sbom.read_text() for sbom in sboms]
        delivery.make("sbom", f"TAG={TAG}")
        assert [sbom.read_text() for sbom in sboms] == texts
    finally:
        for sbom in sboms:
            sbom.unlink(missing_ok=True)
    boms = [Bom.from_json(json.loads(text)) for text in texts]  # type: ignore[attr-defined]
    download, gateway = ({part.name for part in bom.components} for bom in boms)
    assert gateway - download >= {"curl", "httptools", "uvloop"}
    assert download >= {"azure-storage-blob", "libc6"}
    assert not gateway & {"bentoml", "mlflow", "numpy", "pip"}
