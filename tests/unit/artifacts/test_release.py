"""A release, and how it is written into an environment."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from artifacts.errors import SettingsError
from artifacts.release import Release, registry_release

DIGEST = "0123456789abcdef" * 4
TEXTS = st.text(st.characters(codec="utf-8", exclude_characters="\x00"), min_size=1, max_size=40)
VERSIONS = st.text(st.characters(min_codepoint=0x20, max_codepoint=0x7E), min_size=1, max_size=40)
DIGESTS = st.text("0123456789abcdef", min_size=64, max_size=64)


@given(version=VERSIONS, blob=TEXTS, sha256=st.none() | DIGESTS)
def test_a_release_comes_back_from_the_environment(
    version: str, blob: str, sha256: str | None
) -> None:
    """Whatever the names look like (with `@` in them, say), the same triple comes out."""
    release = Release(version, blob, sha256)
    assert Release.from_environ(release.environ()) == release


@given(version=VERSIONS, blob=TEXTS, other=TEXTS, sha256=DIGESTS)
def test_a_digest_counts_for_the_blob_that_it_names(
    version: str, blob: str, other: str, sha256: str
) -> None:
    """Who edits version and blob by hand and leaves the digest gets an unverified release."""
    environ = {**Release("1", other, sha256).environ(), **Release(version, blob, None).environ()}
    expected = sha256 if other == blob else None
    assert Release.from_environ(environ) == Release(version, blob, expected)


@pytest.mark.parametrize("version", ["vé", "1\n2", "\x1f", "1\x7f"])
def test_a_version_can_be_said_in_a_header(version: str) -> None:
    """Every response says it, so what no header can say is refused before anything starts."""
    environ = {**registry_release(1, DIGEST).environ(), "MODEL_VERSION": version}
    with pytest.raises(SettingsError, match=r"^MODEL_VERSION=.* is not valid"):
        Release.from_environ(environ)


@pytest.mark.parametrize("name", ["MODEL_VERSION", "MODEL_BLOB_NAME"])
@pytest.mark.parametrize("value", [None, ""])
def test_version_and_blob_are_both_needed(name: str, value: str | None) -> None:
    """The line names what is missing."""
    environ = {**registry_release(1, DIGEST).environ(), name: value}
    with pytest.raises(SettingsError, match=f"^{name} is not set"):
        Release.from_environ({k: v for k, v in environ.items() if v is not None})


@pytest.mark.parametrize(
    "value",
    [
        DIGEST,
        "@" + DIGEST,
        "model.onnx@",
        "model.onnx@" + DIGEST[1:],
        "model.onnx@" + DIGEST.upper(),
        "model.onnx@sha256:" + DIGEST,
        "other.onnx@nonsense",
        "nonsense",
    ],
)
def test_a_digest_that_is_none_is_refused(value: str) -> None:
    """Only a digest of another blob counts as left behind; a malformed one is a mistake."""
    environ = {"MODEL_VERSION": "1", "MODEL_BLOB_NAME": "model.onnx", "MODEL_SHA256": value}
    with pytest.raises(SettingsError, match=r"^MODEL_SHA256="):
        Release.from_environ(environ)


def test_an_empty_digest_is_none_given() -> None:
    """A deployment may leave the variable empty."""
    environ = {"MODEL_VERSION": "1", "MODEL_BLOB_NAME": "model.onnx", "MODEL_SHA256": ""}
    assert Release.from_environ(environ) == Release("1", "model.onnx", None)


def test_a_registered_versions_file_lies_under_its_number() -> None:
    """The place is fixed, so that version N is the same file in every environment."""
    assert registry_release(7, DIGEST) == Release("7", "iris-classifier/v7/model.onnx", DIGEST)


def test_a_release_by_hand_says_so() -> None:
    """People see at once what nobody has verified."""
    assert str(Release("7", "model.onnx", None)) == "version 7 (by hand, unverified)"
    assert str(registry_release(7, DIGEST)) == "version 7 (sha256 0123456789ab…)"
