"""Loading rbcl without the copy of libsodium that every import of it leaves in the folder of temporary files.

rbcl writes its libsodium (2.7 MB) to a new temporary file, loads it, and never removes it. A loaded library needs its
file no more, so it is removed here.
"""

from __future__ import annotations

import sys
import tempfile
from pathlib import Path
from typing import Any

from crossward.internals.check import Dependency, InternalsError

RBCL = Dependency("rbcl", "1.1", __name__)
_COPY = "rbcl._sodium"  # the module that writes and loads it; the package's attribute of that name is the library


def ristretto() -> Any:
    """The package ``rbcl``: libsodium's ristretto255. Its calls release the interpreter's lock.

    Raises
    ------
    InternalsError
        libsodium cannot be written or loaded, most often for a temporary folder mounted noexec; or rbcl differs.
    """
    if _COPY in sys.modules:
        return sys.modules["rbcl"]
    try:
        found = RBCL.require("rbcl")
    except OSError as error:
        raise InternalsError(
            f"rbcl cannot load libsodium from {tempfile.gettempdir()} ({error}): set TMPDIR to a folder that can be "
            "written and is not mounted noexec"
        ) from error
    copy = getattr(sys.modules.get(_COPY), "lib_path", None)
    if not isinstance(copy, str):
        raise RBCL.differs(f"{_COPY}.lib_path does not exist")
    if sys.platform != "win32":  # where a loaded library's file cannot be removed
        Path(copy).unlink(missing_ok=True)
    return found
