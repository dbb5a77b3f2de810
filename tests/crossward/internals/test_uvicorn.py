"""uvicorn runs on asyncio's event loop, or is refused; in processes of their own, which lose uvloop for good."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[3]
CALL = "from crossward.internals.uvicorn import without_uvloop\nwithout_uvloop()\n"


def run(code: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=False)


def test_without_uvloop_uvicorn_takes_asyncios_loop() -> None:
    code = "import uvicorn\nprint(uvicorn.Config('x:y').get_loop_factory().__module__)\n"
    assert run(CALL + code).stdout.split() == ["asyncio.unix_events"]
    assert run(code).stdout.split() != ["asyncio.unix_events"]  # uvloop is installed, as with Flower


@pytest.mark.parametrize(
    ("change", "what"),
    [
        ("import uvicorn.config as c; c.LOOP_FACTORIES['auto'] = 'uvicorn.loops.other:f'\n", "its event loop `auto`"),
        ("import uvicorn.config as c; del c.LOOP_FACTORIES\n", "uvicorn.config.LOOP_FACTORIES does not exist"),
        ("import uvicorn.loops.auto as a; a.auto_loop_factory = lambda use_subprocess: int\n", "is <class 'int'>, not"),
    ],
)
def test_another_uvicorn_is_refused(change: str, what: str) -> None:
    done = run(change + CALL)
    assert done.returncode == 1 and "InternalsError: uvicorn " in done.stderr and what in done.stderr
