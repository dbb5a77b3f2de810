"""``python -m crossward.deploy.superlink``: Flower's SuperLink, more patient with its database and more open about TLS.

Several hospitals that send large updates at once make its SQLite file busy for longer than the 5 s after which Flower
answers with an error that loses an update; here it waits for most of the 30 s that a SuperNode waits.

A hospital that does not trust the certificate, or a scanner, otherwise leaves no trace at the aggregator. The hook is
in Python's own event loop, so the SuperLink runs on that one. Where a later Python lacks the hook, nothing but the line
is missing.

Not for: anything else; all options are Flower's own.
"""

from __future__ import annotations

import asyncio.sslproto
import ssl
import sys
import time
from typing import Any

REFUSED = "REFUSED at TLS"
BUSY_MS = 25_000
_HOOK = "_on_handshake_complete"
_AGAIN = 60.0  # seconds in which the same trouble from the same address is told once


def tell_failed_handshakes(said: dict[tuple[str, str], float]) -> bool:
    """Print a line for every failed handshake; False where this Python has no such hook. ``said`` remembers when."""
    protocol = asyncio.sslproto.SSLProtocol
    original = getattr(protocol, _HOOK, None)
    if original is None:
        return False

    def complete(self: Any, error: BaseException | None) -> None:
        if isinstance(error, ssl.SSLError) and getattr(self, "_server_side", True):  # a mere probe just goes away
            transport = getattr(self, "_transport", None)
            peer = transport.get_extra_info("peername") if transport is not None else None
            _tell(str(peer[0]) if peer else "somebody", error, said)
        original(self, error)

    setattr(protocol, _HOOK, complete)
    return True


def _tell(peer: str, error: BaseException, said: dict[tuple[str, str], float]) -> None:
    reason = str(getattr(error, "reason", "") or error or type(error).__name__)
    now = time.monotonic()
    if now - said.get((peer, reason), -_AGAIN) < _AGAIN:
        return
    for old in [key for key, moment in said.items() if now - moment > _AGAIN]:
        del said[old]
    said[peer, reason] = now
    distrust = "UNKNOWN_CA" in reason
    hint = " (it does not trust this server's certificate: has it the present ca.crt?)" if distrust else ""
    print(f"{REFUSED}: {peer}: {reason}{hint}", flush=True)


def wait_for_the_database() -> None:
    """Before Flower's database code is loaded: a statement waits for others as long as its caller does."""
    from flwr.supercore import constant

    given = dict(getattr(constant, "SQLITE_PRAGMAS", ()))
    if "busy_timeout" in given:
        constant.SQLITE_PRAGMAS = tuple((given | {"busy_timeout": str(BUSY_MS)}).items())  # type: ignore[assignment]


def main() -> None:
    """Start the SuperLink."""
    sys.modules["uvloop"] = None  # type: ignore[assignment]  # its TLS has no hook
    if not tell_failed_handshakes({}):
        print("this Python does not tell of failed TLS handshakes", flush=True)
    wait_for_the_database()
    from flwr.superlink.cli import flower_superlink

    sys.argv[0] = "flower-superlink"
    flower_superlink()


if __name__ == "__main__":
    main()
