"""Blob names: what is let in can't leave the folder that holds it."""

from pathlib import PurePosixPath, PureWindowsPath
from urllib.parse import urljoin, urlsplit

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from artifacts.errors import InvalidBlobName
from artifacts.release import registry_release
from artifacts.store import check_name

# Names that are close to what is allowed, rather than any text, which hardly ever is.
NEARLY = st.lists(
    st.text("ab./\\%:?#~ \x00\n@+=_-é", max_size=6) | st.sampled_from(["..", ".", "", "v1"]),
    max_size=6,
).map("/".join)


@given(NEARLY | st.text(max_size=30))
@example("/etc/passwd")
@example("a/../../b")
@example("C:\\windows")
@example("a\n")
def test_a_name_that_is_let_in_stays_where_it_is_put(name: str) -> None:
    """On either kind of file system and in a URL it is the very path below the root."""
    try:
        check_name(name)
    except InvalidBlobName:
        return
    for path in (PurePosixPath("/folder", name), PureWindowsPath("/folder", name)):
        assert path.as_posix() == f"/folder/{name}"
        assert ".." not in path.parts
    url = urlsplit(urljoin("https://account/container/", name))
    assert (url.path, url.query, url.fragment) == (f"/container/{name}", "", "")


@pytest.mark.parametrize(
    "name",
    [
        registry_release(12, "").blob,
        "prod/00000042.json",
        f"data/{'0' * 64}.csv",
        "hand/iris_v1.2+fix@home=1.onnx",
        "a" * 128,
    ],
)
def test_the_names_in_use_are_let_in(name: str) -> None:
    """What the other parts write is no exception."""
    assert check_name(name) == name


def test_a_refused_name_is_shown_shortened() -> None:
    """A message stays a line, however long the name is."""
    with pytest.raises(InvalidBlobName) as caught:
        check_name("../" * 1000)
    assert len(str(caught.value)) < 400
