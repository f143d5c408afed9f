"""Print the SBOM of the image that this runs in: `docker/sbom` hands it to its Python.

Two runs on one image print the same: nothing of the machine or of its clock is in it.
"""

import json
import platform
import re
import subprocess
import sys
import uuid
from importlib.metadata import Distribution, distributions
from typing import Any
from urllib.parse import quote


def debian() -> list[dict[str, Any]]:
    """Return Debian's packages."""
    fields = "${Package}\t${Version}\t${Architecture}\t${source:Package}\t${source:Version}\n"
    listed = subprocess.run(
        ["/usr/bin/dpkg-query", "--show", f"--showformat={fields}"],
        capture_output=True,
        text=True,
        check=True,
    ).stdout
    distro = f"debian-{platform.freedesktop_os_release()['VERSION_ID']}"
    return [
        component(
            "library",
            name,
            version,
            f"pkg:deb/debian/{quote(name)}@{quote(version)}"
            # What is known to be vulnerable is known by the source's name.
            f"?arch={architecture}&distro={distro}&upstream={quote(f'{source}@{of}')}",
        )
        for name, version, architecture, source, of in (
            line.split("\t") for line in listed.splitlines()
        )
    ]


def python() -> list[dict[str, Any]]:
    """Return what is installed for Python, and Python itself where it is none of Debian's."""
    found = [package(each) for each in distributions()]
    if sys.base_prefix != "/usr":
        version = platform.python_version()
        itself = component("platform", "python", version, f"pkg:generic/python@{version}")
        found.append(itself | {"cpe": f"cpe:2.3:a:python:python:{version}:*:*:*:*:*:*:*"})
    return found


def package(distribution: Distribution) -> dict[str, Any]:
    """Return a Python package, with its licence where it is one that SPDX knows."""
    about = distribution.metadata
    name = re.sub(r"[-_.]+", "-", about["Name"]).lower()
    version = distribution.version
    made = component("library", name, version, f"pkg:pypi/{name}@{quote(version)}")
    if "License-Expression" in about:
        made["licenses"] = [{"expression": about["License-Expression"]}]
    return made


def component(kind: str, name: str, version: str, purl: str) -> dict[str, Any]:
    """Return a component of CycloneDX."""
    return {"type": kind, "bom-ref": purl, "name": name, "version": version, "purl": purl}


def main(image: str, digest: str, labels: dict[str, str] | None) -> None:
    """Print the whole."""
    # What is found by two paths is one.
    parts = {each["bom-ref"]: each for each in debian() + python()}
    name, _, tag = image.rpartition(":")
    version = (labels or {}).get("org.opencontainers.image.version", tag)
    whole = {
        "$schema": "http://cyclonedx.org/schema/bom-1.6.schema.json",
        "bomFormat": "CycloneDX",
        "specVersion": "1.6",
        "serialNumber": f"urn:uuid:{uuid.uuid5(uuid.NAMESPACE_OID, digest)}",
        "version": 1,
        "metadata": {
            "component": {
                "type": "container",
                "bom-ref": digest,
                "name": name,
                "version": version,
                "properties": [
                    {"name": key, "value": value} for key, value in sorted((labels or {}).items())
                ],
            }
        },
        "components": [parts[key] for key in sorted(parts)],
        "dependencies": [{"ref": digest, "dependsOn": sorted(parts)}],
    }
    json.dump(whole, sys.stdout, indent=1)
    sys.stdout.write("\n")


main(sys.argv[1], sys.argv[2], json.loads(sys.argv[3]))
