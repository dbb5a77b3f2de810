"""A rival in an environment of its own: a script that another Python runs, asked and answering in lines.

Not for: what is asked (the benchmark of each rival).
"""

from __future__ import annotations

import json
import subprocess
import tempfile
from pathlib import Path
from typing import Any, Self


class WorkerError(RuntimeError):
    """A rival's environment cannot be used: the text says why, and how to make one."""


class Worker:
    """``script``, given ``asked`` as JSON, under the interpreter ``python``; use it with ``with``.

    ``how`` says how to make its environment. Of lines that it prints those are answers that begin with ``mark``.
    """

    def __init__(self, python: Path, script: Path, asked: dict[str, Any], how: str, mark: str = "") -> None:
        if not python.is_file():
            raise WorkerError(f"{python} is no Python interpreter.\n{how}")
        self.python, self.how, self.mark = python, how, mark
        self.said = tempfile.TemporaryFile("w+")  # noqa: SIM115 - see __exit__; a pipe would fill up
        command = [str(python), "-I", str(script), json.dumps(asked)]
        self.process = subprocess.Popen(
            command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=self.said, text=True
        )

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.process.communicate()
        self.said.close()

    def answer(self) -> Any:
        """The next answer, read as JSON.

        Raises
        ------
        WorkerError
            the process lacks the rival's package, or has ended.
        """
        assert self.process.stdout is not None
        for line in self.process.stdout:
            if line.startswith(self.mark):
                return json.loads(line.removeprefix(self.mark))
        code = self.process.wait()
        self.said.seek(0)
        said = self.said.read().strip().splitlines()
        if said and "No module named" in said[-1]:
            raise WorkerError(f"{self.python} lacks a package: {said[-1]}.\n{self.how}")
        raise WorkerError("\n".join([f"the process of {self.python} ended with code {code}:", *said[-5:]]))

    def round(self) -> Any:
        """The answer to one more round."""
        assert self.process.stdin is not None
        self.process.stdin.write("round\n")
        self.process.stdin.flush()
        return self.answer()
