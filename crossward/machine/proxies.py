"""Proxies from the environment: never for calls to this machine, and shown without their passwords.

Flower's processes talk to each other over HTTP on the loopback with httpx, which sends every call through the proxy
that ``http_proxy``, ``https_proxy`` or ``all_proxy`` names (in capitals too; the small spelling wins) unless
``no_proxy`` names the host. So whoever starts a process here gives it :func:`direct`'s environment.

Not for: choosing a proxy; a call to another machine goes the way the environment says.
"""

from __future__ import annotations

import os
import re
from collections.abc import Mapping

LOOPBACK = ("127.0.0.1", "localhost", "::1")
_NAMES = ("http_proxy", "https_proxy", "all_proxy", "no_proxy")


def direct(env: Mapping[str, str], *hosts: str) -> dict[str, str]:
    """``env`` in which calls to the loopback, and to ``hosts``, use no proxy; what ``no_proxy`` says already stays."""
    given = [part.strip() for name in ("no_proxy", "NO_PROXY") for part in env.get(name, "").split(",")]
    value = ",".join(dict.fromkeys(part for part in (*given, *LOOPBACK, *hosts) if part))
    return dict(env) | {"no_proxy": value, "NO_PROXY": value}


def go_direct() -> None:
    """Make :func:`direct` hold for this process and whatever it starts."""
    os.environ.update(direct(os.environ))


def found(env: Mapping[str, str]) -> dict[str, str]:
    """The proxy variables of ``env`` as they are spelled there, without passwords."""
    return {name: hidden(env[name]) for name in sorted(env) if name.lower() in _NAMES and env[name]}


def hidden(text: str) -> str:
    """A proxy's address without user name and password."""
    return re.sub(r"(?<=//)[^/]*@|^[^/]*@", "***@", text)


def trouble(env: Mapping[str, str]) -> str:
    """Why Flower's HTTP client could not be made with ``env``'s proxies; empty when it could.

    It refuses to start for a proxy that it cannot use (SOCKS, a malformed address), even if it would never call it.
    """
    named = {name: value for name, value in env.items() if name.lower() in _NAMES and value}
    if not named:
        return ""
    import httpx

    before = {name: os.environ.pop(name) for name in list(os.environ) if name.lower() in _NAMES}
    try:
        os.environ.update(named)
        httpx.Client(verify=False).close()  # noqa: S501 - closed before it connects anywhere
    except (ImportError, ValueError, httpx.InvalidURL) as error:
        what = ", ".join(f"{name}={value}" for name, value in found(env).items())
        reason = hidden(str(error).splitlines()[0])
        return (
            f"Flower's HTTP client cannot use these proxies ({what}): {reason} Name an http:// proxy, or start without "
            "these variables"
        )
    finally:
        for name in named:
            os.environ.pop(name, None)
        os.environ.update(before)
    return ""
