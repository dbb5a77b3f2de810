"""``python -m deploy check hospital.toml``: whatever would keep a hospital from taking part, found before it tries.

Not for: the aggregator's opinion (its SuperLink's log says whom it refused and why).
"""

from __future__ import annotations

import os
import shutil
import socket
import ssl
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from deploy.addresses import parted
from deploy.certificates import WARN_DAYS, days_left
from deploy.errors import DeployError
from deploy.hospital import HospitalConfig, read_hospital

OK, WARNING, WRONG = "ok", "warning", "wrong"
ROOM = 2 << 30  # bytes free below which a state folder is worth a warning
Finding = tuple[str, str, str]


def _connection(config: HospitalConfig) -> tuple[str, str]:
    name, port = parted(config.superlink)
    try:
        context = ssl.create_default_context(cafile=str(config.authority))
        with (
            socket.create_connection((name, port), timeout=10) as raw,
            context.wrap_socket(raw, server_hostname=name) as tls,
        ):
            return OK, f"{config.superlink} answers with {tls.version()} and a certificate of {config.authority}"
    except ssl.SSLCertVerificationError as error:
        return WRONG, (
            f"{config.superlink} shows a certificate that {config.authority} does not vouch for "
            f"({error.verify_message}): get the aggregator's present ca.crt, and mind the host name in superlink"
        )
    except (OSError, ssl.SSLError) as error:
        return WRONG, f"{config.superlink} cannot be reached ({error}): is the port open towards it?"


def _consortium_key(node: dict[str, Any]) -> tuple[str, str]:
    from encryption.key_file import load_key, read_passphrase
    from encryption.key_format import KeyFileError

    if not node.get("key-path"):
        return WARNING, "no key-path: only runs with encryption.policy = 'none' are possible, and policy must be 'none'"
    try:
        words = read_passphrase(Path(str(node["passphrase-path"]))) if node.get("passphrase-path") else None
        key = load_key(Path(str(node["key-path"])), words)
    except (KeyFileError, OSError) as error:
        return WRONG, str(error)
    return OK, f"consortium key {key.fingerprint}: compare it with the other hospitals"


def _notes(node: dict[str, Any]) -> tuple[str, str]:
    path = Path(str(node.get("data-path", "")))
    if not node.get("data-path"):
        return WARNING, "no data-path: the run's own data.path is read"
    try:
        found = [path, *path.iterdir()] if path.is_dir() else [path]
        shut = [one for one in found if one.stat() and not os.access(one, os.R_OK)]
    except FileNotFoundError:
        return WRONG, f"data-path: {path} is not there"
    except OSError as error:
        return WRONG, f"data-path: {error.filename} cannot be read ({error.strerror}) by the user who runs this"
    if shut:
        return WRONG, f"data-path: {shut[0]} cannot be read by the user who runs this"
    return OK, f"notes in {path}"


def _settings(node: dict[str, Any]) -> tuple[str, str]:
    from client_app.settings import read_node_settings
    from protocol.settings import SettingsError

    try:
        read_node_settings(node)
    except SettingsError as error:
        return WRONG, str(error)
    return OK, "node config"


def _state(node: dict[str, Any]) -> tuple[str, str]:
    from client_app.spending import RECORDS
    from protocol.privacy_settings import NO_UNIT

    folder = Path(str(node["state-dir"]))
    try:
        folder.mkdir(parents=True, exist_ok=True)
        probe = folder / ".probe"
        probe.write_bytes(b"")
        probe.unlink()
    except OSError as error:
        return WRONG, f"state-dir {folder} cannot be written: {error.strerror}"
    unit = node.get("privacy-unit", NO_UNIT)
    if unit != NO_UNIT and not (folder / RECORDS).is_dir():
        return WRONG, (
            f"privacy-unit = {unit!r}, but {folder / RECORDS}, the record of what private runs spent, is missing: no "
            "run would be taken part in. Restore it from the backup, or, if no private run has trained on these notes "
            f"yet: mkdir -m 700 {folder / RECORDS}"
        )
    free = shutil.disk_usage(folder).free
    what = f"state-dir {folder}, {free / 2**30:.1f} GiB free"
    return (OK if free >= ROOM else WARNING), what


def findings(path: Path) -> Iterator[Finding]:
    """(what was checked, ok | warning | wrong, in words), as each is found."""
    try:
        config, node = read_hospital(path)
        left = days_left(config.authority)
    except DeployError as error:
        yield "files", WRONG, str(error)
        return
    yield "files", OK, f"{path}, node key and authority"
    told = f"the authority's certificate is valid for {left:.0f} days"
    yield "authority", WRONG if left < 0 else WARNING if left < WARN_DAYS else OK, told
    checks: dict[str, Callable[[], tuple[str, str]]] = {
        "node config": lambda: _settings(node),
        "consortium key": lambda: _consortium_key(node),
        "notes": lambda: _notes(node),
        "state": lambda: _state(node),
        "aggregator": lambda: _connection(config),
    }
    for what, check in checks.items():
        try:
            yield what, *check()
        except OSError as error:
            yield what, WRONG, str(error)
