"""Who may say who he is: the node's own authorities, certificates and kubeconfigs."""

import base64
import datetime as dt
import ipaddress
import json
import shutil
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from tests.cluster.node import layout
from tests.cluster.node.layout import NAME

API_NAMES = ["kubernetes", "kubernetes.default", "kubernetes.default.svc"]
API_NAMES += ["kubernetes.default.svc.cluster.local"]
# Who signs in with a certificate: its name and its group, as the API server's own roles know them.
USERS = {
    "admin": ("iris-admin", "system:masters"),
    "kube-controller-manager": ("system:kube-controller-manager", None),
    "kube-proxy": ("system:kube-proxy", None),
    "kube-scheduler": ("system:kube-scheduler", None),
    "kubelet": (f"system:node:{NAME}", "system:nodes"),
}


class Authority:
    """Signs certificates."""

    def __init__(self, name: str) -> None:
        self._key = ec.generate_private_key(ec.SECP256R1())
        self._name = _name(name, None)
        usage = x509.KeyUsage(
            digital_signature=True,
            key_cert_sign=True,
            crl_sign=True,
            content_commitment=False,
            key_encipherment=False,
            data_encipherment=False,
            key_agreement=False,
            encipher_only=False,
            decipher_only=False,
        )
        self._certificate = (
            _certificate(self._name, self._name, self._key)
            .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
            .add_extension(usage, critical=True)
            .sign(self._key, hashes.SHA256())
        )

    def keep(self, stem: Path) -> None:
        """Write certificate and key."""
        _write(stem, self._certificate, self._key)

    def issue(self, stem: Path, name: str, group: str | None = None, *names: str) -> None:
        """Write a certificate and its key: for a client, or for a server of these names."""
        key = ec.generate_private_key(ec.SECP256R1())
        made = _certificate(_name(name, group), self._name, key)
        usages = [ExtendedKeyUsageOID.CLIENT_AUTH]
        if names:
            usages = [ExtendedKeyUsageOID.SERVER_AUTH]
            made = made.add_extension(
                x509.SubjectAlternativeName([_general_name(each) for each in names]),
                critical=False,
            )
        made = made.add_extension(x509.ExtendedKeyUsage(usages), critical=False)
        _write(stem, made.sign(self._key, hashes.SHA256()), key)


def make() -> None:
    """Make everything once; a node that was stopped starts with what it had."""
    pki = layout.STATE / "pki"
    if pki.exists():
        return
    partial = layout.STATE / "pki.partial"
    shutil.rmtree(partial, ignore_errors=True)
    partial.mkdir(mode=0o700, parents=True)

    authority = Authority("iris-node")
    authority.keep(partial / "ca")
    addresses = [layout.API_SERVICE, layout.NODE_ADDRESS, "127.0.0.1"]
    authority.issue(partial / "kube-apiserver", "kube-apiserver", None, *API_NAMES, *addresses)
    authority.issue(partial / "kubelet", NAME, None, NAME, layout.NODE_ADDRESS)
    authority.issue(partial / "kubelet-client", "kube-apiserver", "system:masters")
    for name, (user, group) in USERS.items():
        authority.issue(partial / f"user-{name}", user, group)

    # Another authority: whoever it signs may speak for any user to what extends the API.
    front_proxy = Authority("iris-node-front-proxy")
    front_proxy.keep(partial / "front-proxy-ca")
    front_proxy.issue(partial / "front-proxy", "front-proxy-client")

    accounts = ec.generate_private_key(ec.SECP256R1())
    (partial / "accounts.key").write_bytes(_private(accounts))
    (partial / "accounts.pub").write_bytes(
        accounts.public_key().public_bytes(
            serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo
        )
    )
    partial.rename(pki)


def write_kubeconfigs() -> None:
    """Write a kubeconfig for each user: the node's in etc/, the administrator's on top."""
    for user in USERS:
        target = layout.STATE / "etc" / f"{user}.kubeconfig"
        if user == "admin":
            target = layout.KUBECONFIG
        pki = layout.STATE / "pki"
        target.touch(mode=0o600)
        target.write_text(
            json.dumps(
                {
                    "apiVersion": "v1",
                    "kind": "Config",
                    "clusters": [
                        {
                            "name": NAME,
                            "cluster": {
                                "server": layout.API_SERVER,
                                "certificate-authority-data": _data(pki / "ca.crt"),
                            },
                        }
                    ],
                    "users": [
                        {
                            "name": user,
                            "user": {
                                "client-certificate-data": _data(pki / f"user-{user}.crt"),
                                "client-key-data": _data(pki / f"user-{user}.key"),
                            },
                        }
                    ],
                    "contexts": [{"name": NAME, "context": {"cluster": NAME, "user": user}}],
                    "current-context": NAME,
                }
            )
        )


def _certificate(
    subject: x509.Name, issuer: x509.Name, key: ec.EllipticCurvePrivateKey
) -> x509.CertificateBuilder:
    now = dt.datetime.now(dt.UTC)
    return (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(issuer)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - dt.timedelta(hours=1))
        .not_valid_after(now + dt.timedelta(days=365))
    )


def _name(name: str, group: str | None) -> x509.Name:
    parts = [x509.NameAttribute(NameOID.COMMON_NAME, name)]
    if group:
        parts.append(x509.NameAttribute(NameOID.ORGANIZATION_NAME, group))
    return x509.Name(parts)


def _general_name(text: str) -> x509.GeneralName:
    try:
        return x509.IPAddress(ipaddress.ip_address(text))
    except ValueError:
        return x509.DNSName(text)


def _private(key: ec.EllipticCurvePrivateKey) -> bytes:
    return key.private_bytes(
        serialization.Encoding.PEM,
        serialization.PrivateFormat.TraditionalOpenSSL,
        serialization.NoEncryption(),
    )


def _write(stem: Path, certificate: x509.Certificate, key: ec.EllipticCurvePrivateKey) -> None:
    stem.with_name(f"{stem.name}.crt").write_bytes(
        certificate.public_bytes(serialization.Encoding.PEM)
    )
    stem.with_name(f"{stem.name}.key").write_bytes(_private(key))


def _data(file: Path) -> str:
    return base64.b64encode(file.read_bytes()).decode()
