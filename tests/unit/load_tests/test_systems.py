"""What each system is sent, and how its answer is read."""

import json
from pathlib import Path
from typing import Any

import pytest

from load_tests.benchmark.environments import LOCKS
from load_tests.benchmark.model import is_right
from load_tests.benchmark.systems import OURS, SYSTEMS, Place

ROWS = [[5.1, 3.5, 1.4, 0.2], [6.2, 2.9, 4.3, 1.3]]
GIVEN = [[0.9, 0.1, 0.0], [0.0, 0.2, 0.8]]
PLACE = Place(Path("/env/bin/python"), 8001, (8002, 8003), Path("/folder"))

ANSWERS: dict[str, Any] = {
    "iris": {
        "predictions": [{"probabilities": dict(zip("abc", row, strict=True))} for row in GIVEN]
    },
    "bentoml": GIVEN,
    "mlserver": {"outputs": [{"shape": [2, 3], "data": [value for row in GIVEN for value in row]}]},
}


@pytest.mark.parametrize("name", SYSTEMS)
def test_a_body_is_one_line_of_json(name: str) -> None:
    """The load generator reads a body a line, and sends it as it is."""
    body = SYSTEMS[name].body(ROWS)
    assert b"\n" not in body
    assert json.loads(body)


@pytest.mark.parametrize("name", SYSTEMS)
def test_an_answer_gives_the_probabilities_of_each_row(name: str) -> None:
    """Every system is held to the same probabilities, whatever it wraps them in."""
    system = SYSTEMS[name]
    if system.answer is None:
        assert system.front == "echo"
        return
    answer = ANSWERS.get(name.removesuffix("-onnx"), {"predictions": GIVEN})
    assert system.answer(json.dumps(answer).encode()) == GIVEN


@pytest.mark.parametrize("name", SYSTEMS)
def test_a_command_names_its_port_and_what_exists(name: str) -> None:
    """Every field of a command is filled; every lock and script is there."""
    system = SYSTEMS[name]
    command = system.command(PLACE)
    assert not any("{" in word for word in command)
    if name != OURS:
        assert any("8001" in word for word in command)
        assert not system.lock or (LOCKS / f"{system.lock}.txt").exists()
    assert all(Path(word).exists() for word in command if word.endswith(".py"))


@pytest.mark.parametrize(
    ("given", "right"),
    [
        (GIVEN, True),
        ([[0.9 + 1e-8, 0.1, 0.0], [0.0, 0.2, 0.8]], True),
        ([[0.9001, 0.0999, 0.0], [0.0, 0.2, 0.8]], False),
        (GIVEN[:1], False),
        ([GIVEN[1], GIVEN[0]], False),
        ([], False),
    ],
)
def test_an_answer_is_right_to_the_precision_of_float32(
    given: list[list[float]], right: bool
) -> None:
    """Other rows, fewer rows and other probabilities are wrong."""
    assert is_right(given, GIVEN) is right
