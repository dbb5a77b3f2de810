"""Whether the aggregator is reached, with the HTTP client and through the proxy that Flower's SuperNode uses.

Not for: the aggregator's opinion of this hospital; only its certificate and its answer are looked at.
"""

from __future__ import annotations

import ssl
from pathlib import Path
from typing import Any

from crossward.deploy.addresses import joined, parted

PATIENCE = 10.0  # seconds


class Seen:
    """What httpcore reports of one request: where it connected to, and the TLS session with the aggregator itself."""

    def __init__(self) -> None:
        self.peer, self.tls = "", ""

    def __call__(self, event: str, info: dict[str, Any]) -> None:
        """Take in an event."""
        if event == "connection.connect_tcp.started":
            self.peer = joined(str(info["host"]), int(info["port"]))
        elif event.endswith("start_tls.complete"):  # with a proxy over TLS there are two, the last one is ours
            session = info["return_value"].get_extra_info("ssl_object")
            self.tls = str(session.version()) if session is not None else ""


def reach(superlink: str, authority: Path) -> tuple[bool, str]:
    """Whether ``superlink`` answers with a certificate of ``authority``, and in words."""
    import httpx

    seen = Seen()
    try:
        context = ssl.create_default_context(cafile=str(authority))
        with httpx.Client(verify=context, timeout=PATIENCE) as client:
            client.get(f"https://{superlink}/health", extensions={"trace": seen})
    except (httpx.HTTPError, httpx.InvalidURL, ImportError, OSError, ValueError) as error:
        if not seen.tls:
            return False, _why(error, superlink, authority, seen)
    return True, f"{superlink}{_through(superlink, seen)} answers with {seen.tls} and a certificate of {authority}"


def _through(superlink: str, seen: Seen) -> str:
    host, port = parted(superlink)
    return f", through the proxy {seen.peer}," if seen.peer not in ("", joined(host, port)) else ""


def _why(error: BaseException, superlink: str, authority: Path, seen: Seen) -> str:
    through = f" through the proxy {seen.peer}" if _through(superlink, seen) else ""
    causes, cause = [error], error.__cause__ or error.__context__
    while cause is not None and cause not in causes:
        causes.append(cause)
        cause = cause.__cause__ or cause.__context__
    for found in causes:
        if isinstance(found, ssl.SSLCertVerificationError):
            broken = f"; reached{through}, which must not intercept TLS" if through else ""
            return (
                f"{superlink} presents a certificate that does not verify against {authority} "
                f"({found.verify_message}): get the "
                f"aggregator's current ca.crt, and check the host name in superlink{broken}"
            )
    remedy = (
        "is it the right one, and does it allow CONNECT to that port? To bypass it, add the host to no_proxy"
        if through
        else "is the port reachable from here? Is a proxy needed (https_proxy)?"
    )
    return f"{superlink} cannot be reached{through} ({str(error) or type(error).__name__}): {remedy}"
