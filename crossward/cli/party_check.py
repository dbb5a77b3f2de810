"""``crossward data check party.toml``: what a party has, before parties with other features of the same patients run.

Not for: notes (``crossward.cli.data``), or what is printed (``crossward.cli.party_lines``).
"""

from __future__ import annotations

import json as json_
import sys
from collections.abc import Sequence
from pathlib import Path

from crossward.cli.common import FAILED, USAGE, CommandError, failing, say


def described(path: Path | None, hospital: Path | None, run_config: Sequence[str]) -> Path | None:
    """The party.toml that a check is of: ``path``, or what the node of ``hospital`` has; None where it is of notes."""
    from crossward.config.node_config import NodeConfig
    from crossward.config.party_toml import FILE, is_party_toml
    from crossward.deploy.hospital import read_hospital

    if path is not None:
        folder = path.is_dir() and (path / FILE).is_file() and not run_config  # which would say how to read its notes
        return path if folder or is_party_toml(path) else None
    if hospital is not None and (given := NodeConfig.read(read_hospital(hospital)[1]).party_path):
        return Path(given)
    return None


def refuse(**options: object) -> None:
    """Refuse options that are for notes, by name."""
    if used := [f"--{name.replace('_', '-')}" for name, value in options.items() if value]:
        raise CommandError(f"{', '.join(used)}: of no use for a party.toml, which says itself how it is read", USAGE)


def check(path: Path, out: Path | None, json: bool) -> int:
    """Check what the party.toml at ``path`` describes, and print what is found."""
    from crossward.alignment.identifiers import Normalisation, own_rules
    from crossward.cli.party_lines import print_party
    from crossward.config.party_toml import PartyError, read_party_toml
    from data.check.party import Spelling, check_party
    from data.errors import DataError

    with failing(PartyError, DataError, OSError):
        config = read_party_toml(path)
        own, shared = own_rules(config.prefix), Normalisation()
        found = check_party(config, Spelling(lambda name: shared(own(name)), shared))
        if json:
            say(json_.dumps(found.to_json(), indent=2))
        else:
            print_party(found, config)
        if out is not None:
            from crossward.evaluation.party_page import write_party_page

            write_party_page(out, found, config)
            print(f"page: {out}", file=sys.stderr)
    if found.refused:
        raise CommandError(f"{config.file}: {found.refused}", FAILED)
    return 0
