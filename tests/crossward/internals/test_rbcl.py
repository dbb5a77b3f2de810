"""libsodium is loaded from a copy that does not stay, and what keeps it from being loaded is said."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

PROGRAM = """
import sys
from crossward.internals.check import InternalsError
from crossward.internals.rbcl import ristretto
try:
    found = ristretto()
    assert ristretto() is found and len(found.crypto_core_ristretto255_random()) == 32
except InternalsError as error:
    sys.exit(str(error))
"""


def run(folder: Path, program: str = PROGRAM) -> subprocess.CompletedProcess[str]:
    environment = os.environ | {"TMPDIR": str(folder)}
    return subprocess.run(
        [sys.executable, "-c", program], env=environment, capture_output=True, text=True, check=False, timeout=60
    )


def test_no_copy_of_the_library_stays(tmp_path: Path) -> None:
    """rbcl by itself leaves one (positive control: the day that it does not, the module has no use)."""
    for program, left in ((PROGRAM, 0), ("import rbcl", 1)):
        assert run(tmp_path, program).returncode == 0
        assert len(list(tmp_path.glob("*.so"))) == left


def test_a_library_that_cannot_be_loaded_is_an_error_with_a_remedy(monkeypatch: pytest.MonkeyPatch) -> None:
    from crossward.internals import rbcl
    from crossward.internals.check import InternalsError

    def noexec(path: str) -> None:
        raise OSError("failed to map segment from shared object")

    monkeypatch.setattr(rbcl, "_COPY", "not imported")
    monkeypatch.setattr(type(rbcl.RBCL), "require", lambda self, path: noexec(path))
    with pytest.raises(InternalsError, match=r"rbcl cannot load libsodium from .*failed to map.*set TMPDIR"):
        rbcl.ristretto()
