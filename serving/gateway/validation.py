"""From a request's body to rows of finite numbers, or to its faults by row and field.

There are two readers. The exact one says what is right: it sees each key and each number as it
was written, and it can name every fault, but takes ten times as long (2 µs a row). The quick one
accepts part of what the exact one accepts, with the same rows, and leaves all else to it.
"""

import json
from collections.abc import Iterator, Sequence
from itertools import islice
from typing import NoReturn

import msgspec
from msgspec import UNSET, UnsetType

from serving.gateway.problems import INVALID_JSON, INVALID_ROWS, Problem
from serving.gateway.schema import LARGEST, FieldError, PredictRequest, Row

FAULTS_NAMED = 20
_SHOWN = 40  # characters of the client's own text in a message

_decode = msgspec.json.Decoder(PredictRequest).decode


def rows_of(body: bytes, features: Sequence[str], max_rows: int) -> list[Row]:
    """Return the rows of a request, each with its features in the model's order.

    Raises:
        Problem: the body is no JSON, or breaks a rule; the first faults are named.
    """
    rows = _read_quickly(body, features, max_rows)
    return _read_exactly(body, features, max_rows) if rows is None else rows


def _read_quickly(body: bytes, features: Sequence[str], max_rows: int) -> list[Row] | None:
    try:
        instances = _decode(body).instances
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError):
        return None
    if len(instances) > max_rows:
        return None
    rows: list[Row] = []
    keys, width = 1, len(features)
    for row in instances:
        if isinstance(row, dict):
            keys += len(row)
            try:
                rows.append([row[name] for name in features])
            except KeyError:
                return None
        else:
            rows.append(row)
        if len(row) != width:
            return None
    # Of two equal keys the decoder keeps the last one without a word. Keys are the only strings
    # here and each is written between two quotes, so more quotes than that are a doubled key (or
    # an escaped quote: the exact reader knows).
    return rows if body.count(b'"') == 2 * keys else None


class _Object(list[tuple[str, object]]):
    """A JSON object with its members as they were written, doubled ones too."""


class _Unfit(str):
    """Why what stands in a number's place is none."""

    __slots__ = ()


def _number(text: str) -> float | _Unfit:
    value = float(text)
    if abs(value) > LARGEST:
        return _Unfit(f"{_shown(text)} is beyond the largest number (1e15)")
    return value


def _no_number(name: str) -> _Unfit:
    return _Unfit(f"{name} is not a finite number")


_exact = json.JSONDecoder(
    object_pairs_hook=_Object, parse_float=_number, parse_int=_number, parse_constant=_no_number
)


def _read_exactly(body: bytes, features: Sequence[str], max_rows: int) -> list[Row]:
    try:
        document = _exact.decode(body.decode())
    except UnicodeDecodeError as error:
        raise Problem(INVALID_JSON, f"The body is not UTF-8: {error.reason}.") from None
    except json.JSONDecodeError as error:
        where = f"line {error.lineno}, column {error.colno}"
        raise Problem(INVALID_JSON, f"{error.msg} at {where}.") from None
    except RecursionError:
        raise Problem(INVALID_JSON, "The body is nested too deeply.") from None
    instances = _instances(document, max_rows)
    faults = list(islice(_faults_of_rows(instances, features), FAULTS_NAMED + 1))
    if faults:
        _refuse(faults)
    return [_in_order(row, features) for row in instances]


def _instances(document: object, max_rows: int) -> list[object]:
    """Return the rows as they were written, or refuse the document around them."""
    if not isinstance(document, _Object):
        _refuse([FieldError(detail=f'expected {{"instances": [...]}}, got {_kind(document)}')])
    faults = list(islice(_faults_of_keys(document, ["instances"], UNSET), FAULTS_NAMED + 1))
    if faults:
        _refuse(faults)
    instances = dict(document)["instances"]
    if isinstance(instances, _Object) or not isinstance(instances, list):
        fault = f"expected an array of rows, got {_kind(instances)}"
    elif not instances:
        fault = "expected at least one row, got none"
    elif len(instances) > max_rows:
        fault = f"expected at most {max_rows} rows, got {len(instances)}"
    else:
        return instances
    return _refuse([FieldError(detail=fault, field="instances")])


def _faults_of_rows(rows: list[object], features: Sequence[str]) -> Iterator[FieldError]:
    for index, row in enumerate(rows):
        if isinstance(row, _Object):
            yield from _faults_of_keys(row, features, index)
            members = [(name, value) for name, value in row if name in features]
        elif isinstance(row, list):
            if len(row) != len(features):
                expected = f"{len(features)} numbers ({', '.join(features)})"
                yield FieldError(detail=f"expected {expected}, got {len(row)}", row=index)
                continue
            members = list(zip(features, row, strict=True))
        else:
            expected = "an array of numbers or an object of named features"
            yield FieldError(detail=f"expected {expected}, got {_kind(row)}", row=index)
            continue
        for name, value in members:
            if isinstance(value, _Unfit):
                yield FieldError(detail=str(value), row=index, field=name)
            elif not isinstance(value, float):
                yield FieldError(
                    detail=f"expected a number, got {_kind(value)}", row=index, field=name
                )


def _faults_of_keys(
    members: _Object, expected: Sequence[str], row: int | UnsetType
) -> Iterator[FieldError]:
    names = [name for name, _ in members]
    given = dict.fromkeys(names)
    for name in expected:
        if name not in given:
            yield FieldError(detail="missing", row=row, field=name)
    for name in given:
        if name not in expected:
            known = ", ".join(expected)
            yield FieldError(detail=f"unknown; expected {known}", row=row, field=_shown(name))
        elif names.count(name) > 1:
            yield FieldError(detail="given more than once", row=row, field=name)


def _in_order(row: object, features: Sequence[str]) -> Row:
    if isinstance(row, _Object):
        named = dict(row)
        row = [named[name] for name in features]
    return row  # type: ignore[return-value]  # no fault was found: it is a list of floats


def _refuse(faults: list[FieldError]) -> NoReturn:
    named = faults[:FAULTS_NAMED]
    first = named[0]
    place = [f"row {first.row}"] if first.row is not UNSET else []
    place += [first.field] if first.field is not UNSET else []
    detail = f"{', '.join(place)}: {first.detail}" if place else first.detail
    if len(faults) > FAULTS_NAMED:
        detail += f" (and more; the first {FAULTS_NAMED} are listed)"
    elif len(faults) > 1:
        detail += f" (and {len(faults) - 1} more)"
    raise Problem(INVALID_ROWS, detail, errors=named)


def _kind(value: object) -> str:
    if isinstance(value, _Unfit):
        return str(value)
    if value is None:
        return "null"
    if isinstance(value, bool):
        return "true" if value else "false"
    names = {_Object: "an object", list: "an array", float: "a number"}
    return names.get(type(value)) or f'the string "{_shown(str(value))}"'


def _shown(text: str) -> str:
    """Shorten what a client wrote, and make it fit for UTF-8 (JSON may hold lone surrogates)."""
    text = text.encode(errors="replace").decode()
    return text if len(text) <= _SHOWN else f"{text[:_SHOWN]}…"
