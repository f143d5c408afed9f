import pytest

from load_tests.suite.errors import UsageError
from load_tests.suite.host import check, is_local
from load_tests.suite.run import growth


@pytest.mark.parametrize(
    "url", ["http://127.0.0.1:8080", "http://localhost:1/", "http://[::1]:8080"]
)
def test_this_machine_needs_no_confirmation(url: str) -> None:
    """Its addresses are known."""
    assert check(url, "") == url.rstrip("/")


def test_another_machine_is_put_under_load_only_when_its_name_is_repeated() -> None:
    """Nobody shoots at production by a variable that was left over."""
    for confirm in ("", "yes", "iris.example"):
        with pytest.raises(UsageError, match=r"CONFIRM=prod\.example"):
            check("https://prod.example", confirm)
    assert check("https://prod.example", "prod.example") == "https://prod.example"
    assert not is_local("http://127.0.0.1.example")


@pytest.mark.parametrize(
    "url", ["8080", "127.0.0.1:8080", "ftp://127.0.0.1", "http://a/v1/predict"]
)
def test_what_is_no_address_is_refused(url: str) -> None:
    """With what one looks like."""
    with pytest.raises(UsageError, match=r"http://127\.0\.0\.1:8080"):
        check(url, "a")


def test_growth_is_the_last_quarter_over_the_second() -> None:
    """What a start takes is in the first quarter, and one high value is no growth."""
    assert growth([90, 90, 100, 100, 900, 100, 110, 110]) == pytest.approx(1.1)
    assert growth([1, 2, 3]) is None
