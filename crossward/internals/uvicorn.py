"""Makes uvicorn, Flower's web server, run on Python's own event loop where uvloop is installed."""

from __future__ import annotations

import sys

from crossward.internals.check import Dependency

UVICORN = Dependency("uvicorn", "0.49", __name__)


def without_uvloop() -> None:
    """For the rest of this process. Call it before uvicorn starts a server.

    Raises
    ------
    InternalsError
        uvicorn would choose another event loop.
    """
    sys.modules["uvloop"] = None  # type: ignore[assignment]  # an import of it then fails
    chosen = UVICORN.require("uvicorn.config:LOOP_FACTORIES").get("auto")
    if chosen != "uvicorn.loops.auto:auto_loop_factory":
        raise UVICORN.differs(f"its event loop `auto` is {chosen}")
    loop = UVICORN.require(chosen, "use_subprocess")(use_subprocess=False)
    if not getattr(loop, "__module__", "").startswith("asyncio."):
        raise UVICORN.differs(f"without uvloop its event loop is {loop}, not asyncio's")
