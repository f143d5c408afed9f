"""The runbook as it is typed: its blocks of commands, under the headings where they stand."""

import os
import re
import signal
import subprocess
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import NamedTuple

from tests.cluster.system import ENDED_S, ROOT

PAGE = ROOT / "docs" / "runbook.md"
AZURE = "**Azure.**"
_FENCED = re.compile(r"^```(\w*)\n(.*?)^```$", re.MULTILINE | re.DOTALL)


class Block(NamedTuple):
    """Commands that are typed one after the other."""

    section: str
    commands: str
    azure: bool
    """Whether the page says that they go to Azure."""


def read(page: str) -> list[Block]:
    """Return every fenced block of a page.

    Raises:
        ValueError: one is not of commands alone, each after a prompt.
    """
    blocks = []
    for found in _FENCED.finditer(page):
        before, lines = page[: found.start()], found[2].splitlines()
        if found[1] != "console" or not all(line.startswith("$ ") for line in lines):
            raise ValueError(f"not of commands alone: {found[0]}")
        paragraph = before.rstrip().rpartition("\n\n")[2]
        section = re.findall(r"^#+ (.+)$", before, re.MULTILINE)[-1]
        commands = "\n".join(line.removeprefix("$ ") for line in lines)
        blocks.append(Block(section, commands, paragraph.startswith(AZURE)))
    return blocks


@dataclass
class Shell:
    """Where an operator types: whatever a block's commands say, they succeed."""

    environ: Mapping[str, str]
    stand_ins: Path
    typed: list[Block] = field(default_factory=list)

    def type(self, block: Block, **variables: str) -> str:
        """Type a block, with shell variables that were set before; return what it showed."""
        ended = subprocess.run(
            self._command(block),
            cwd=ROOT,
            env=self._environ(block, variables),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            timeout=ENDED_S,
            check=False,
        )
        assert ended.returncode == 0, f"{block.commands} → {ended.returncode}\n{ended.stdout}"
        return ended.stdout

    def type_until(self, block: Block, words: str) -> None:
        """Type a block that goes on for ever, and end it by Ctrl-C once it has shown the words."""
        with subprocess.Popen(
            self._command(block),
            cwd=ROOT,
            env=self._environ(block, {}),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            text=True,
            start_new_session=True,
        ) as shell:
            assert shell.stdout is not None
            ends = time.monotonic() + ENDED_S
            try:
                while words not in shell.stdout.readline():
                    assert shell.poll() is None, f"it ended without {words}"
                    assert time.monotonic() < ends, f"it went on without {words}"
            finally:
                os.killpg(shell.pid, signal.SIGINT)

    def _command(self, block: Block) -> list[str]:
        self.typed.append(block)
        return ["bash", "-eu", "-c", block.commands]

    def _environ(self, block: Block, variables: Mapping[str, str]) -> dict[str, str]:
        """Return the environment; what is not marked has no stand-in for Azure's commands."""
        path = self.environ["PATH"]
        return {
            **self.environ,
            **variables,
            "PATH": f"{self.stand_ins}:{path}" if block.azure else path,
        }
