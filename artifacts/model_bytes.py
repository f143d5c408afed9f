"""What can be told of a model file without loading it; needs no ONNX Runtime."""

from artifacts.digests import sha256_hex
from artifacts.errors import DigestMismatch, PickleRefused

_PICKLE = (b"\x80", b"(", b"c")
_COMPRESSED = (
    b"\x78\x01",
    b"\x78\x5e",
    b"\x78\x9c",
    b"\x78\xda",
    b"\x1f\x8b",
    b"BZh",
    b"\xfd7z",
    b"\x5d\x00",
    b"PK",
)


def check_bytes(data: bytes, sha256: str | None = None, *, what: str = "the file") -> str:
    """Return the digest of a model file, once it is no pickle and the one asked for.

    Args:
        data: the file.
        sha256: the digest that it must have, where one is known.
        what: what a message shall call it.

    Raises:
        PickleRefused: it is a pickle.
        DigestMismatch: it is another file.
    """
    if _looks_pickled(data):
        raise PickleRefused(what)
    found = sha256_hex(data)
    if sha256 is not None and found != sha256:
        raise DigestMismatch(
            f"{what} has SHA-256 {found}, and {sha256} was asked for",
            hint="the blob was altered or cut short on its way, or it is another version's",
        )
    return found


def _looks_pickled(data: bytes) -> bool:
    """Tell a pickle, also compressed as joblib writes it, from an ONNX file (it begins with 08)."""
    return data.startswith((*_PICKLE, *_COMPRESSED))
