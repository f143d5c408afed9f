"""The processes that send: started, let go at the same moment, and asked what became of it all."""

import contextlib
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import msgspec

from load_tests.suite import plan as plans
from load_tests.suite.errors import GeneratorFailed
from load_tests.suite.plan import OVER, Plan, Told

START_S = 60.0
LEAD_S = 0.5
_LOOK_S = 0.1


def run(plan: Plan, workers: int, folder: Path, meanwhile: Callable[[float], bool]) -> list[Told]:
    """Run a plan, and return what became of it.

    Args:
        plan: what is sent.
        workers: how many generators share it.
        folder: where the files go.
        meanwhile: is called with the moment of the beginning on the monotonic clock, once that is
            fixed; returns whether the load is over with it, whatever is still planned.

    Raises:
        GeneratorFailed: a generator ended before its time.
    """
    folder.mkdir(parents=True, exist_ok=True)
    plans.write(plan, folder / "plan")
    (folder / OVER).unlink(missing_ok=True)
    with contextlib.ExitStack() as stack:
        processes = [_start(stack, folder, number, workers) for number in range(workers)]
        for number, process in enumerate(processes):
            _until_ready(process, folder, number)
        began = time.monotonic() + LEAD_S
        for process in processes:
            assert process.stdin is not None
            process.stdin.write(f"{began!r}\n")
            process.stdin.flush()
        if meanwhile(began):
            (folder / OVER).touch()
        latest = began + plan.seconds + plan.grace_s + START_S
        for number, process in enumerate(processes):
            _until_done(process, latest, folder, number)
    told = [folder / f"told-{number}" for number in range(workers)]
    return [msgspec.msgpack.decode(file.read_bytes(), type=Told) for file in told]


def _start(
    stack: contextlib.ExitStack, folder: Path, number: int, workers: int
) -> "subprocess.Popen[str]":
    log = stack.enter_context(_log(folder, number).open("w"))
    process = subprocess.Popen(
        [sys.executable, "-m", "load_tests.suite.locustfile", folder, str(number), str(workers)],
        cwd=Path(__file__).parents[2],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=log,
        text=True,
        start_new_session=True,  # Ctrl-C is for us, and we end what we started
    )
    stack.callback(_end, process)
    return process


def _until_ready(process: "subprocess.Popen[str]", folder: Path, number: int) -> None:
    assert process.stdout is not None
    if process.stdout.readline() != "ready\n":  # also at its end
        raise _failed(folder, number)


def _until_done(process: "subprocess.Popen[str]", latest: float, folder: Path, number: int) -> None:
    try:
        code = process.wait(max(_LOOK_S, latest - time.monotonic()))
    except subprocess.TimeoutExpired:
        raise GeneratorFailed(
            f"generator {number} does not end; see {_log(folder, number)}"
        ) from None
    if code:
        raise _failed(folder, number)


def _failed(folder: Path, number: int) -> GeneratorFailed:
    log = _log(folder, number)
    lines = log.read_text(errors="replace").strip().splitlines()
    said = lines[-1] if lines else "it said nothing"
    return GeneratorFailed(f"generator {number} ended before its time: {said}; see {log}")


def _log(folder: Path, number: int) -> Path:
    return folder / f"generator-{number}.log"


def _end(process: "subprocess.Popen[str]") -> None:
    process.kill()
    process.wait()
    for stream in (process.stdin, process.stdout):
        if stream is not None:
            with contextlib.suppress(OSError):
                stream.close()
