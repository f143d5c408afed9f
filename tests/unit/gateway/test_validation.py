"""Requests to rows, or to faults by row and field."""

import json

import msgspec
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from serving.gateway.problems import INVALID_JSON, INVALID_ROWS, Problem
from serving.gateway.schema import LARGEST, FieldError
from serving.gateway.validation import (
    FAULTS_NAMED,
    _read_exactly,
    _read_quickly,
    rows_of,
)

FEATURES = ("sepal_length", "sepal_width", "petal_length", "petal_width")
NAMED = '{"sepal_length": 6.2, "sepal_width": 2.9, "petal_length": 4.3, "petal_width": 1.3}'
MAX_ROWS = 5

finite = st.floats(-LARGEST, LARGEST) | st.integers(-(10**15), 10**15)
good_row = st.lists(finite, min_size=4, max_size=4) | st.fixed_dictionaries(
    dict.fromkeys(FEATURES, finite)
)
any_json = st.recursive(
    st.none() | st.booleans() | st.floats() | st.integers() | st.text(max_size=5),
    lambda inner: (
        st.lists(inner, max_size=5)
        | st.dictionaries(st.sampled_from([*FEATURES, "instances"]) | st.text(max_size=3), inner)
    ),
    max_leaves=20,
)


def refused(body: str | bytes) -> Problem:
    """Return the problem that a body meets."""
    with pytest.raises(Problem) as caught:
        rows_of(body if isinstance(body, bytes) else body.encode(), FEATURES, MAX_ROWS)
    caught.value.body("id")  # it can be written, whatever it quotes
    return caught.value


def fault(row: str) -> FieldError:
    """Return the only fault of a request whose second row is the given one."""
    problem = refused(f'{{"instances": [[1, 2, 3, 4], {row}]}}')
    assert problem.kind is INVALID_ROWS
    assert len(problem.errors) == 1
    return problem.errors[0]


@given(st.lists(good_row, min_size=1, max_size=MAX_ROWS))
def test_good_rows_come_through(rows: list[list[float] | dict[str, float]]) -> None:
    """Every number up to the largest comes through as it is, in the order of the features."""
    body = json.dumps({"instances": rows}).encode()
    in_order = [[row[f] for f in FEATURES] if isinstance(row, dict) else row for row in rows]
    expected = [[float(value) for value in row] for row in in_order]
    assert rows_of(body, FEATURES, MAX_ROWS) == expected


@given(st.binary() | any_json.map(lambda value: json.dumps(value).encode()))
@example(b'{"instances": [{"\\ud800": 1}]}')
@example(b"[" * 100_000)
@example(b'{"instances":' * 100_000)
@example(b"1" * 10_000)
@example(b'\xef\xbb\xbf{"instances": [[1, 2, 3, 4]]}')
def test_whatever_is_sent_is_answered_or_refused(body: bytes) -> None:
    """No body raises anything but a Problem."""
    try:
        rows_of(body, FEATURES, MAX_ROWS)
    except Problem as problem:
        problem.body("id")


@given(
    any_json.map(lambda value: {"instances": value})
    | st.lists(good_row | any_json, max_size=MAX_ROWS + 1).map(lambda rows: {"instances": rows})
)
def test_the_quick_reader_accepts_only_what_the_exact_one_does(document: object) -> None:
    """What the quick reader accepts, the exact one accepts with the same rows."""
    body = json.dumps(document).encode()
    quick = _read_quickly(body, FEATURES, MAX_ROWS)
    if quick is not None:
        assert quick == _read_exactly(body, FEATURES, MAX_ROWS)


@pytest.mark.parametrize(
    "body",
    [
        '{"instances": [[1, 2, 3, 4]]}',
        f'{{"instances": [{NAMED}]}}',
        f'{{"instances": [{NAMED}, [1e2, -2, 0.0, 4E-1], {NAMED}]}}',
    ],
)
def test_ordinary_requests_are_read_quickly(body: str) -> None:
    """The quick reader does not leave ordinary requests to the exact one."""
    assert _read_quickly(body.encode(), FEATURES, MAX_ROWS) is not None


@pytest.mark.parametrize("name", ["petal_width", "petal\\u005fwidth"])
def test_a_name_may_be_escaped(name: str) -> None:
    """A feature's name means the same however JSON writes it."""
    body = f'{{"instances": [{NAMED.replace("petal_width", name)}]}}'
    assert rows_of(body.encode(), FEATURES, MAX_ROWS) == [[6.2, 2.9, 4.3, 1.3]]


@pytest.mark.parametrize(
    ("value", "why"),
    [
        ("true", "expected a number, got true"),
        ("false", "expected a number, got false"),
        ("null", "expected a number, got null"),
        ('"5.1"', 'expected a number, got the string "5.1"'),
        ("[5.1]", "expected a number, got an array"),
        ("{}", "expected a number, got an object"),
        ("NaN", "NaN is not a finite number"),
        ("Infinity", "Infinity is not a finite number"),
        ("-Infinity", "-Infinity is not a finite number"),
        ("1.1e15", "1.1e15 is beyond the largest number (1e15)"),
        ("-1e308", "-1e308 is beyond the largest number (1e15)"),
        ("1e400", "1e400 is beyond the largest number (1e15)"),
        ("-1e400", "-1e400 is beyond the largest number (1e15)"),
        ("9" * 5000, f"{'9' * 40}… is beyond the largest number (1e15)"),
    ],
)
@pytest.mark.parametrize("row", ["[1, 2, 3, 1.3]", NAMED])
def test_what_is_no_finite_number_is_named(row: str, value: str, why: str) -> None:
    """A value that is no finite number is named by row and field, in arrays and objects."""
    found = fault(row.replace("1.3", value))
    assert (found.row, found.field, found.detail) == (1, "petal_width", why)


@pytest.mark.parametrize(
    ("row", "field", "why"),
    [
        ("[1, 2, 3]", msgspec.UNSET, f"expected 4 numbers ({', '.join(FEATURES)}), got 3"),
        ("[1, 2, 3, 4, 5]", msgspec.UNSET, f"expected 4 numbers ({', '.join(FEATURES)}), got 5"),
        ("[]", msgspec.UNSET, f"expected 4 numbers ({', '.join(FEATURES)}), got 0"),
        (
            "7",
            msgspec.UNSET,
            "expected an array of numbers or an object of named features, got a number",
        ),
        (NAMED.replace(', "petal_width": 1.3', ""), "petal_width", "missing"),
        (NAMED.replace("}", ', "petal_width": 1.3}'), "petal_width", "given more than once"),
        (NAMED.replace("}", ', "petal\\u005fwidth": 9}'), "petal_width", "given more than once"),
        (
            NAMED.replace("}", ', "colour": 1}'),
            "colour",
            f"unknown; expected {', '.join(FEATURES)}",
        ),
    ],
)
def test_what_is_wrong_with_a_row_is_named(row: str, field: str, why: str) -> None:
    """A row of the wrong shape is named, with the field where there is one."""
    found = fault(row)
    assert (found.row, found.field, found.detail) == (1, field, why)


@pytest.mark.parametrize(
    ("body", "why"),
    [
        ("[[1, 2, 3, 4]]", 'expected {"instances": [...]}, got an array'),
        ("{}", "instances: missing"),
        ('{"instances": 1}', "instances: expected an array of rows, got a number"),
        (
            '{"instances": NaN}',
            "instances: expected an array of rows, got NaN is not a finite number",
        ),
        ('{"instances": {}}', "instances: expected an array of rows, got an object"),
        ('{"instances": []}', "instances: expected at least one row, got none"),
        ('{"instances": [[1,2,3,4]], "colour": 1}', "colour: unknown; expected instances"),
        ('{"instances": [[1,2,3,4]], "instances": [[1,2,3,4]]}', "instances: given more than once"),
        (
            json.dumps({"instances": [[1, 2, 3, 4]] * 6}),
            "instances: expected at most 5 rows, got 6",
        ),
    ],
)
def test_what_is_wrong_with_the_document_is_named(body: str, why: str) -> None:
    """A fault outside of the rows is named too."""
    problem = refused(body)
    assert problem.kind is INVALID_ROWS
    assert problem.message == why


@pytest.mark.parametrize(
    ("body", "why"),
    [
        (b"", "Expecting value at line 1, column 1."),
        (b'{"instances": [[1, 2, 3, 4]]', "Expecting ',' delimiter at line 1, column 29."),
        (b'{"instances": [[1, 2, 3, 04]]}', "Expecting ',' delimiter at line 1, column 27."),
        (b'{"instances": [[1, 2, 3, \xff]]}', "The body is not UTF-8: invalid start byte."),
        (
            '{"instances": [[1, 2, 3, 4]]}'.encode("utf-16"),
            "The body is not UTF-8: invalid start byte.",
        ),
        (b"[" * 100_000, "The body is nested too deeply."),
    ],
)
def test_what_is_no_json_is_placed(body: bytes, why: str) -> None:
    """Text that is no JSON is refused with the place where it breaks."""
    problem = refused(body)
    assert problem.kind is INVALID_JSON
    assert problem.message == why


def test_all_faulty_rows_are_named_up_to_a_bound() -> None:
    """Not only the first faulty row is named; the answer stays small all the same."""
    problem = refused('{"instances": [[1, 2, 3, 4], [true, 2, null, 4], [1]]}')
    assert [error.row for error in problem.errors] == [1, 1, 2]
    assert problem.message == "row 1, sepal_length: expected a number, got true (and 2 more)"
    rows = ", ".join(["[null, null, null, null]"] * 50)
    with pytest.raises(Problem) as caught:
        rows_of(f'{{"instances": [{rows}]}}'.encode(), FEATURES, 50)
    assert len(caught.value.errors) == FAULTS_NAMED
    assert len(caught.value.body("id")) < 4_000


def test_a_client_s_text_is_quoted_shortly() -> None:
    """What a client wrote is quoted only up to a length."""
    name = "x" * 10_000
    assert len(fault(NAMED.replace("}", f', "{name}": 1}}')).detail) < 100
