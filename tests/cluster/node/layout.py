"""Where the node keeps what, which addresses it has, and how it says that something failed."""

import os
import zlib
from ipaddress import IPv4Address
from pathlib import Path
from string import Template

HERE = Path(__file__).parent
ROOT = HERE.parents[2]
STATE = ROOT / ".cluster"
KUBECONFIG = STATE / "kubeconfig"

NAME = "iris-node"
# A node a checkout: what the machine sees of it bears a number, made of the checkout's path.
NUMBER = zlib.crc32(os.fsencode(ROOT)) % 8192
ON_MACHINE = f"{NAME}-{NUMBER}"
# All of it is in 198.18.0.0/15, which is set aside for benchmarks: nobody's network.
POD_RANGE = "198.18.0.0/16"
NODE_PODS = "198.18.0.0/24"
SERVICE_RANGE = "198.19.0.0/20"
API_SERVICE = "198.19.0.1"
DNS_SERVICE = "198.19.0.10"
PAIR = IPv4Address("198.19.128.0") + 4 * NUMBER
MACHINE_ADDRESS = str(PAIR + 1)
NODE_ADDRESS = str(PAIR + 2)
API_SERVER = f"https://{NODE_ADDRESS}:6443"


class NodeError(Exception):
    """What happened, to what, and what to do next."""


def write_config(source: Path, **images: str) -> Path:
    """Fill in a file of config/ or system/, and return where it was written."""
    filled = Template(source.read_text()).substitute(
        images,
        state=STATE,
        name=NAME,
        on_machine=ON_MACHINE,
        pod_range=POD_RANGE,
        node_pods=NODE_PODS,
        dns_service=DNS_SERVICE,
    )
    folder = STATE / "etc" / source.parent.name
    folder.mkdir(parents=True, exist_ok=True)
    target = folder / source.name
    target.write_text(filled)
    return target
