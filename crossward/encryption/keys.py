"""``python -m crossward.encryption.keys``: make, show and rotate the consortium's key file.

One hospital makes the key, every hospital gets a copy, the aggregator gets none. Facts go to standard output, advice
and errors to standard error, and no secret to either. A passphrase is asked for or read from a file, never taken from
the command line, where every process of the machine could read it.

Exit codes: 0 done, 1 the key file or passphrase cannot be used, 2 wrong command line.

Not for: the functions behind it (``crossward.encryption.key_file``).
"""

from __future__ import annotations

import argparse
import getpass
import sys
import warnings
from collections.abc import Sequence
from pathlib import Path

from crossward.encryption.key_file import (
    clean_passphrase,
    create_key,
    load_header,
    load_key,
    read_passphrase,
    rotate_key,
    simulation_key,
    write_public_context,
)
from crossward.encryption.key_format import ConsortiumKey, KeyFileError
from crossward.machine.paths import path_argument

__all__ = ["ConsortiumKey", "KeyFileError", "create_key", "load_key", "main", "rotate_key", "simulation_key"]

SHORTEST = 12  # characters of a passphrase that a key file is made with

_AFTER_CREATE = """\
Copy {path} to every hospital by a secure channel (hand to hand, or encrypted to each one's own key), mode 0600.
Never give it to the aggregator: it needs no key.
Keep a copy: without it nothing that was sealed can be opened again.
Every hospital should read out the same fingerprint: {fingerprint}"""
_AFTER_ROTATE = """\
Copy {path} to every hospital again; rotate at one of them only, or each will have a key of its own.
The next run should name the new key: encryption.key="{fingerprint}\""""
_PUBLIC = """\
A CKKS run's aggregator gets the public context: python -m crossward.encryption.keys show {path} --public-context OUT"""


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command; returns its exit code."""
    options = _parser().parse_args(arguments)
    try:
        if options.command == "create":
            return _create(options)
        return _show(options) if options.command == "show" else _rotate(options)
    except KeyFileError as error:
        print(f"crossward.encryption.keys: {error}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        print("crossward.encryption.keys: interrupted", file=sys.stderr)
        return 1


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m crossward.encryption.keys", description="The consortium's key file."
    )
    commands = parser.add_subparsers(dest="command", required=True, metavar="create|show|rotate")
    for name, about in (
        ("create", "make a key in a new file"),
        ("show", "print fingerprints, never secrets"),
        ("rotate", "put a new key into the file; earlier ones keep opening what they sealed"),
    ):
        command = commands.add_parser(name, help=about, description=about)
        command.add_argument("path", type=path_argument, metavar="PATH", help="the key file")
        asked = command.add_mutually_exclusive_group()
        asked.add_argument("--passphrase", action="store_true", help="ask for the file's passphrase")
        asked.add_argument("--passphrase-file", type=path_argument, metavar="FILE", help="file (0600) that holds it")
        if name == "create":
            command.add_argument("--ckks", action="store_true", help="with a CKKS context, for the baseline")
        elif name == "show":
            command.add_argument(
                "--public-context", type=path_argument, metavar="OUT", help="write the public CKKS context"
            )
        else:
            command.add_argument("--forget", action="store_true", help="drop every earlier key, the one in use too")
    return parser


def _passphrase(options: argparse.Namespace, new: bool) -> bytes | None:
    if options.passphrase_file:
        given = read_passphrase(options.passphrase_file)
    elif options.passphrase:
        given = _ask("Passphrase: ")
        if new and given != _ask("The same again: "):
            raise KeyFileError("the two passphrases differ: nothing was made")
    else:
        return None
    if new and len(given.decode()) < SHORTEST:
        raise KeyFileError(f"the passphrase has fewer than {SHORTEST} characters: whoever gets the file could guess it")
    return given


def _ask(prompt: str) -> bytes:
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("error", getpass.GetPassWarning)  # it would be shown while being typed
            return clean_passphrase(getpass.getpass(prompt), "standard input")
    except (getpass.GetPassWarning, EOFError):
        raise KeyFileError("no terminal to ask for the passphrase on: use --passphrase-file") from None


def _create(options: argparse.Namespace) -> int:
    key = create_key(options.path, _passphrase(options, new=True), options.ckks)
    _facts(options.path)
    _advise(_AFTER_CREATE, options.path, key)
    return 0


def _show(options: argparse.Namespace) -> int:
    _facts(options.path)
    if options.public_context:
        write_public_context(options.public_context, load_key(options.path, _passphrase(options, new=False)))
        print(f"The aggregator of a CKKS run gets {options.public_context}; it holds no secret.", file=sys.stderr)
    return 0


def _rotate(options: argparse.Namespace) -> int:
    key = rotate_key(options.path, _passphrase(options, new=False), options.forget)
    _facts(options.path)
    _advise(_AFTER_ROTATE, options.path, key)
    return 0


def _facts(path: Path) -> None:
    header = load_header(path)
    print(f"current     {header.fingerprints[0]}")
    for fingerprint in header.fingerprints[1:]:
        print(f"previous    {fingerprint}")
    print(f"passphrase  {'yes' if header.wrapped else 'no'}")
    print(f"mode        {path.stat().st_mode & 0o777:04o}")
    print(f"ckks        {'yes' if header.ckks else 'no'}")


def _advise(advice: str, path: Path, key: ConsortiumKey) -> None:
    print(advice.format(path=path, fingerprint=key.fingerprint), file=sys.stderr)
    if key.ckks:
        print(_PUBLIC.format(path=path), file=sys.stderr)


if __name__ == "__main__":
    sys.exit(main())
