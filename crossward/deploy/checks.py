"""``crossward deploy check FILE.toml``: whatever would keep a party from taking part, found before it tries.

Not for: the aggregator's opinion of a hospital (its SuperLink's log says whom it refused and why).
"""

from __future__ import annotations

import os
import shutil
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from crossward.deploy.aggregator import SETTING as AGGREGATOR_PORT
from crossward.deploy.aggregator import AggregatorConfig, read_aggregator
from crossward.deploy.certificates import WARN_DAYS, days_left
from crossward.deploy.errors import DeployError
from crossward.deploy.files import in_use
from crossward.deploy.hospital import LOOPBACK, HospitalConfig, read_hospital
from crossward.deploy.hospital import SETTING as HOSPITAL_PORT
from crossward.deploy.node_keys import public_text
from crossward.deploy.reach import reach
from crossward.machine import proxies
from crossward.machine.paths import HOME, PathError, home
from crossward.machine.ports import trouble

OK, WARNING, WRONG = "ok", "warning", "wrong"
ROOM = 2 << 30  # bytes free below which a state folder is worth a warning
Finding = tuple[str, str, str]
Check = Callable[[], tuple[str, str]]


def _connection(config: HospitalConfig) -> tuple[str, str]:
    well, message = reach(config.superlink, config.authority)
    return OK if well else WRONG, message


def _consortium_key(node: dict[str, Any]) -> tuple[str, str]:
    from crossward.encryption.key_file import load_key, read_passphrase
    from crossward.encryption.key_format import KeyFileError

    if not node.get("key-path"):
        return WARNING, "no key-path: only runs with encryption.policy = 'none' are possible, and policy must be 'none'"
    try:
        words = read_passphrase(Path(str(node["passphrase-path"]))) if node.get("passphrase-path") else None
        key = load_key(Path(str(node["key-path"])), words)
    except (KeyFileError, OSError) as error:
        return WRONG, str(error)
    return OK, f"consortium key {key.fingerprint}: compare it with the other hospitals"


def _roster(node: dict[str, Any]) -> tuple[str, str]:
    from crossward.deploy.roster import roster_of

    if not node.get("roster-path"):
        return WARNING, "no roster-path: runs with encryption.scheme = 'committee' are not possible"
    book, name = roster_of(Path(str(node["roster-path"])), node)
    on = "on" if name in book.roster.committee else "not on"
    return OK, (
        f"roster {book.roster.fingerprint[:16]}, revision {book.roster.revision}, of {len(book.roster.hospitals)} "
        f"hospitals; this is {name}, {on} the committee: compare the fingerprint with the other hospitals"
    )


def _notes(node: dict[str, Any]) -> tuple[str, str]:
    from crossward.config.data_sources import SOURCES
    from crossward.config.notes_toml import read_notes
    from crossward.config.settings import SettingsError

    key = "notes-path" if node.get("notes-path") else "data-path"
    if not node.get(key):
        return WARNING, "no notes-path or data-path: the run's data.path is used"
    path = Path(str(node[key]))
    if key == "notes-path":
        try:
            described = read_notes(path)
        except SettingsError as error:
            return WRONG, str(error)
        if SOURCES[described.source].is_url:
            return OK, f"notes in a database, as {path} says"
        key, path = f"{path}: path", Path(described.path)
    try:
        found = [path, *path.iterdir()] if path.is_dir() else [path]
        shut = [one for one in found if one.stat() and not os.access(one, os.R_OK)]
    except FileNotFoundError:
        return WRONG, f"{key}: {path} does not exist"
    except OSError as error:
        return WRONG, f"{key}: {error.filename} cannot be read ({error.strerror}) by the user who runs this"
    if shut:
        return WRONG, f"{key}: {shut[0]} cannot be read by the user who runs this"
    return OK, f"notes in {path}"


def _settings(node: dict[str, Any]) -> tuple[str, str]:
    from crossward.config.node_config import NodeConfig
    from crossward.config.settings import SettingsError

    try:
        NodeConfig.read(node)
    except SettingsError as error:
        return WRONG, str(error)
    return OK, "node config"


def _state(folder: Path, what: str) -> tuple[str, str]:
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryFile(dir=folder) as probe:
            probe.write(b"probe")
    except OSError as error:
        return WRONG, f"{what} {folder} cannot be written: {error.strerror}"
    free = shutil.disk_usage(folder).free
    message = f"{what} {folder}, {free / 2**30:.1f} GiB free"
    return (OK if free >= ROOM else WARNING), message


def _node_state(node: dict[str, Any], folder: Path) -> tuple[str, str]:
    """The state folder, and in it the record of privacy spending where the hospital requires one."""
    from client_app.guard.spending import RECORDS
    from crossward.config.privacy_settings import NO_UNIT

    found = _state(folder, "state-dir")
    unit = node.get("privacy-unit", NO_UNIT)
    if found[0] != WRONG and unit != NO_UNIT and not (folder / RECORDS).is_dir():
        return WRONG, (
            f"privacy-unit = {unit!r}, but {folder / RECORDS}, the record of what private runs spent, is missing: no "
            "run would be accepted. Restore it from the backup, or, if no private run has trained on these notes "
            f"yet: mkdir -m 700 {folder / RECORDS}"
        )
    return found


def _port(host: str, port: int, who: str, setting: str, state: Path) -> tuple[str, str]:
    why = trouble(host, port)
    if why and in_use(state):
        return OK, f"port {port} on {host}: the {who} runs already"
    if why:
        return WRONG, f"{why}, and the {who} needs it: {setting}"
    return OK, f"port {port} on {host} is free for the {who}"


def _proxies() -> tuple[str, str]:
    if wrong := proxies.trouble(os.environ):
        return WRONG, wrong
    found = proxies.found(proxies.direct(os.environ))
    named = ", ".join(f"{name}={value}" for name, value in found.items() if name.lower() != "no_proxy")
    return OK, f"{named}; not used for {found['no_proxy']}" if named else "none is set"


def _validity(path: Path, what: str) -> tuple[str, str]:
    left = days_left(path)
    message = f"the {what}'s certificate is valid for {left:.0f} days"
    return WRONG if left < 0 else WARNING if left < WARN_DAYS else OK, message


def _members(folder: Path) -> tuple[str, str]:
    found = sorted(path for path in folder.iterdir() if path.suffix == ".pub" and not path.name.startswith("."))
    for path in found:
        public_text(path)
    return (OK, f"{len(found)} public keys in {folder}") if found else (WARNING, f"no public key (*.pub) in {folder}")


def _found(checks: dict[str, Check]) -> Iterator[Finding]:
    for what, check in checks.items():
        try:
            yield what, *check()
        except (OSError, DeployError, PathError) as error:
            yield what, WRONG, str(error)


def hospital_findings(path: Path) -> Iterator[Finding]:
    """(what was checked, ok | warning | wrong, in words) of ``hospital.toml``, as each is found."""
    try:
        config, node = read_hospital(path)
        authority = _validity(config.authority, "authority")
    except DeployError as error:
        yield "files", WRONG, str(error)
        return
    yield "files", OK, f"{path}, node key and authority"
    state = Path(str(node["state-dir"]))
    yield from _found(
        {
            "authority": lambda: authority,
            "node config": lambda: _settings(node),
            "consortium key": lambda: _consortium_key(node),
            "roster": lambda: _roster(node),
            "notes": lambda: _notes(node),
            "state": lambda: _node_state(node, state),
            "cache": lambda: _state(home(), HOME),
            "port": lambda: _port(LOOPBACK, config.port, "SuperNode", HOSPITAL_PORT.format(path=path), state),
            "proxies": _proxies,
            "aggregator": lambda: _connection(config),
        }
    )


def aggregator_findings(path: Path) -> Iterator[Finding]:
    """The same of ``aggregator.toml``."""
    try:
        config: AggregatorConfig = read_aggregator(path)
    except DeployError as error:
        yield "files", WRONG, str(error)
        return
    yield "files", OK, f"{path}, certificate, keys and secret"
    yield from _found(
        {
            "authority": lambda: _validity(config.authority, "authority"),
            "certificate": lambda: _validity(config.certificate, "server"),
            "members": lambda: _members(config.nodes),
            "state": lambda: _state(config.state, "state"),
            "runs": lambda: _state(config.runs, "runs"),
            "port": lambda: _port(
                config.host, config.port, "SuperLink", AGGREGATOR_PORT.format(path=path), config.state
            ),
            "proxies": _proxies,
        }
    )
