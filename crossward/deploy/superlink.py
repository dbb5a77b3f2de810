"""``python -m crossward.deploy.superlink``: Flower's SuperLink, more patient with its database and more open about TLS.

Several hospitals that send large updates at once make its SQLite file busy for longer than the 5 s after which Flower
answers with an error that loses an update; here it waits for most of the 30 s that a SuperNode waits.

A hospital that does not trust the certificate, or a scanner, otherwise leaves no trace at the aggregator. The hook is
in Python's own event loop, so the SuperLink runs on that one. How Flower, uvicorn and Python are changed for that is in
``crossward.internals``; where they differ from what it was written for, the SuperLink does not start and says why.

Not for: anything else; all options are Flower's own.
"""

from __future__ import annotations

import sys
import time

from crossward.internals.check import InternalsError
from crossward.internals.flower import set_busy_timeout, superlink_command
from crossward.internals.python import on_failed_handshake
from crossward.internals.uvicorn import without_uvloop

REFUSED = "REFUSED at TLS"
BUSY_MS = 25_000
_AGAIN = 60.0  # seconds in which the same error from the same address is reported once


def _report(peer: str, error: BaseException, reported: dict[tuple[str, str], float]) -> None:
    reason = str(getattr(error, "reason", "") or error or type(error).__name__)
    now = time.monotonic()
    if now - reported.get((peer, reason), -_AGAIN) < _AGAIN:
        return
    for old in [key for key, moment in reported.items() if now - moment > _AGAIN]:
        del reported[old]
    reported[peer, reason] = now
    distrust = "UNKNOWN_CA" in reason
    hint = " (it does not trust this server's certificate: does it have the current ca.crt?)" if distrust else ""
    print(f"{REFUSED}: {peer}: {reason}{hint}", flush=True)


def main() -> None:
    """Start the SuperLink."""
    reported: dict[tuple[str, str], float] = {}
    try:
        without_uvloop()  # its TLS has no hook
        on_failed_handshake(lambda peer, error: _report(peer, error, reported))
        set_busy_timeout(BUSY_MS)
        flower_superlink = superlink_command()
    except InternalsError as error:
        raise SystemExit(f"the SuperLink cannot be started: {error}") from error
    sys.argv[0] = "flower-superlink"
    flower_superlink()


if __name__ == "__main__":
    main()
