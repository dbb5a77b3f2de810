"""Host and port in one text and apart, IPv6 included: ``hub.example.org:443``, ``[2001:db8::1]:443``.

Not for: looking names up.
"""

from __future__ import annotations

from crossward.deploy.errors import DeployError


def parted(text: str) -> tuple[str, int]:
    """Host, without brackets, and port.

    Raises
    ------
    DeployError
        it is not host:port.
    """
    host, _, port = text.rpartition(":")
    bare = host.removeprefix("[").removesuffix("]") if host.startswith("[") else host
    if (
        not bare
        or not (port.isascii() and port.isdigit())
        or not 0 < int(port) < 65536
        or (":" in bare and bare == host)
    ):
        raise DeployError(f"{text!r} is not HOST:PORT (an IPv6 address in brackets)")
    return bare, int(port)


def joined(host: str, port: int) -> str:
    """The text that :func:`parted` takes apart."""
    return f"[{host}]:{port}" if ":" in host else f"{host}:{port}"
