"""``crossward keys``: make, show and rotate the consortium's key file.

One hospital makes the key, every hospital gets a copy, the aggregator gets none. Facts go to standard output, advice
and errors to standard error, and no secret to either. A passphrase is asked for or read from a file, never taken from
the command line, where every process of the machine could read it.

Not for: the functions behind it (``crossward.encryption.key_file``).
"""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from crossward.cli.common import PATH, example, failing

if TYPE_CHECKING:
    from crossward.encryption.key_format import ConsortiumKey

SHORTEST = 12  # characters of a passphrase that a key file is made with

_AFTER_CREATE = """\
Copy {path} to every hospital by a secure channel (hand to hand, or encrypted to each one's own key), mode 0600.
Never give it to the aggregator: it needs no key.
Keep a backup: without it nothing sealed under this key can be opened again.
Every hospital should see the same fingerprint: {fingerprint}"""
_AFTER_ROTATE = """\
Copy {path} to every hospital again; rotate at one hospital only, or each ends up with a different key.
The next run should name the new key: encryption.key="{fingerprint}\""""
_PUBLIC = "A CKKS run's aggregator gets the public context: crossward keys show {path} --public-context OUT"

KeyFile = Annotated[Path, typer.Argument(click_type=PATH, metavar="PATH", help="The key file.")]
Ask = Annotated[bool, typer.Option("--passphrase", help="Ask for the file's passphrase.")]
PassphraseFile = Annotated[
    Path | None, typer.Option(click_type=PATH, metavar="FILE", help="A file (mode 0600) that holds the passphrase.")
]

keys = typer.Typer(no_args_is_help=True, rich_markup_mode="rich")


@keys.command(epilog=example("crossward keys create consortium.key --passphrase"))
def create(
    path: KeyFile,
    passphrase: Ask = False,
    passphrase_file: PassphraseFile = None,
    ckks: Annotated[bool, typer.Option("--ckks", help="With a CKKS context, for the baseline.")] = False,
) -> int:
    """Make a key in a new file."""
    from crossward.encryption.key_file import create_key
    from crossward.encryption.key_format import KeyFileError

    with failing(KeyFileError):
        key = create_key(path, _passphrase(passphrase, passphrase_file, new=True), ckks)
        _facts(path)
        _advise(_AFTER_CREATE, path, key)
    return 0


@keys.command(epilog=example("crossward keys show consortium.key"))
def show(
    path: KeyFile,
    passphrase: Ask = False,
    passphrase_file: PassphraseFile = None,
    public_context: Annotated[
        Path | None, typer.Option(click_type=PATH, metavar="OUT", help="Write the public CKKS context.")
    ] = None,
) -> int:
    """Print fingerprints, never secrets."""
    from crossward.encryption.key_file import load_key, write_public_context
    from crossward.encryption.key_format import KeyFileError

    with failing(KeyFileError):
        _facts(path)
        if public_context:
            write_public_context(public_context, load_key(path, _passphrase(passphrase, passphrase_file, new=False)))
            print(f"The aggregator of a CKKS run gets {public_context}; it holds no secret.", file=sys.stderr)
    return 0


@keys.command(epilog=example("crossward keys rotate consortium.key"))
def rotate(
    path: KeyFile,
    passphrase: Ask = False,
    passphrase_file: PassphraseFile = None,
    forget: Annotated[bool, typer.Option("--forget", help="Drop all earlier keys, including the current one.")] = False,
) -> int:
    """Put a new key into the file; earlier ones keep opening what they sealed."""
    from crossward.encryption.key_file import rotate_key
    from crossward.encryption.key_format import KeyFileError

    with failing(KeyFileError):
        key = rotate_key(path, _passphrase(passphrase, passphrase_file, new=False), forget)
        _facts(path)
        _advise(_AFTER_ROTATE, path, key)
    return 0


def add_to(app: typer.Typer) -> None:
    """Add the commands to ``app``."""
    app.add_typer(keys, name="keys", help="Make, show or rotate the consortium's key file.")


def _passphrase(ask: bool, file: Path | None, new: bool) -> bytes | None:
    from crossward.encryption.key_file import read_passphrase
    from crossward.encryption.key_format import KeyFileError

    if ask and file:
        raise typer.BadParameter("--passphrase and --passphrase-file cannot be combined")
    if file:
        given = read_passphrase(file)
    elif ask:
        given = _ask("Passphrase: ")
        if new and given != _ask("The same again: "):
            raise KeyFileError("the two passphrases differ: no key was created")
    else:
        return None
    if new and len(given.decode()) < SHORTEST:
        raise KeyFileError(f"the passphrase has fewer than {SHORTEST} characters: anyone with the file could guess it")
    return given


def _ask(prompt: str) -> bytes:
    import getpass
    import warnings

    from crossward.encryption.key_file import clean_passphrase
    from crossward.encryption.key_format import KeyFileError

    try:
        with warnings.catch_warnings():
            warnings.simplefilter("error", getpass.GetPassWarning)  # it would be shown while being typed
            return clean_passphrase(getpass.getpass(prompt), "standard input")
    except (getpass.GetPassWarning, EOFError):
        raise KeyFileError("no terminal to read the passphrase from: use --passphrase-file") from None


def _facts(path: Path) -> None:
    from crossward.encryption.key_file import load_header

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
