"""TCP ports of this machine: free ones, and who holds one that is taken.

Not for: reaching another machine.
"""

from __future__ import annotations

import errno
import socket

import psutil


def free_ports(count: int) -> list[int]:
    """Ports nobody listens on at this moment."""
    sockets = [socket.socket() for _ in range(count)]
    try:
        for one in sockets:
            one.bind(("127.0.0.1", 0))
        return [one.getsockname()[1] for one in sockets]
    finally:
        for one in sockets:
            one.close()


def holder(port: int) -> str:
    """The process that listens on ``port`` in words; "another process" where this user may not see whose it is."""
    try:
        found = psutil.net_connections("tcp")
    except (psutil.Error, OSError):
        found = []
    for one in found:
        if one.status == psutil.CONN_LISTEN and one.laddr and one.laddr.port == port and one.pid:
            try:
                return f"{psutil.Process(one.pid).name()} (process {one.pid})"
            except psutil.Error:
                break
    return "another process"


def trouble(host: str, port: int) -> str:
    """Why nobody could listen on ``host``:``port`` now; empty when one could."""
    where = f"port {port} on {host or 'all interfaces'}"
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    try:
        with socket.socket(family) as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)  # as servers do: what just closed is free
            probe.bind((host, port))
            probe.listen(1)
    except OSError as error:
        if error.errno == errno.EADDRINUSE:
            return f"{where} is taken by {holder(port)}"
        if error.errno == errno.EACCES:
            return f"{where} may not be used by this user (ports below 1024 need a right to them)"
        if error.errno == errno.EADDRNOTAVAIL or isinstance(error, socket.gaierror):
            return f"{where} cannot be used: this machine has no such address"
        return f"{where} cannot be used: {error.strerror or error}"
    return ""
