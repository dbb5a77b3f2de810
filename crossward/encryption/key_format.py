"""The consortium's key and its bytes: JSON, in the clear or under a passphrase (scrypt and AES-256-GCM).

The header (format, fingerprints, checks) is never secret, so that a key can be told from another without its
passphrase. A check is a fingerprint of the BFV key that SEAL derives: a library that would derive another one is
refused here, before it seals anything that the other hospitals could not open.

Not for: files and their permissions (``crossward.encryption.key_file``) or the command (``crossward.cli.keys``).
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import json
import secrets
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any, NoReturn

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.kdf.scrypt import Scrypt

from crossward.encryption.bfv_key import key_check
from crossward.encryption.secret import SIZE, Secret

FORMAT = "crossward-key/1"
SCRYPT_N = 1 << 16  # RFC 7914; with r = 8: 64 MiB and about 0.2 s a guess
_SCRYPT_RANGE = (1 << 10, 1 << 20)
_HEADER = ("format", "fingerprints", "checks", "ckks_check")
_PLAIN, _WRAPPED = ("secrets", "ckks"), ("scrypt_n", "salt", "nonce", "wrapped")
_SALT, _NONCE, _KEY = 16, 12, 32


class KeyFileError(ValueError):
    """A key file cannot be used; says why and what to do. Never holds anything secret."""

    tellable = True  # see client_app.guard.refusals


@dataclass(frozen=True)
class ConsortiumKey:
    """The secret in use, earlier ones that old versions were sealed under, and the baseline's CKKS context.

    Prints as its fingerprints, refuses to be pickled, and a deep copy is itself.
    """

    current: Secret
    previous: tuple[Secret, ...] = ()
    ckks: bytes = field(default=b"", repr=False)

    @property
    def fingerprint(self) -> str:
        """Of the secret in use: 16 hex digits."""
        return self.current.fingerprint

    @property
    def secrets(self) -> tuple[Secret, ...]:
        """The secret in use first, then earlier ones, newest first."""
        return (self.current, *self.previous)

    def find(self, fingerprint: str) -> Secret | None:
        """The secret of that fingerprint, in use or earlier; None when this key does not hold it."""
        return next((secret for secret in self.secrets if secret.fingerprint == fingerprint), None)

    def __reduce__(self) -> NoReturn:
        raise TypeError("a consortium key is never pickled: every process loads the key file itself")

    def __deepcopy__(self, memo: Any) -> ConsortiumKey:
        return self


@dataclass(frozen=True)
class Header:
    """What a key file says without its passphrase. Of a wrapped file nothing of it is authenticated before opening."""

    fingerprints: tuple[str, ...]
    wrapped: bool
    ckks: bool


# ---------------------------------------------------------------------- key -> bytes


def encode(key: ConsortiumKey, passphrase: bytes | None = None, scrypt_n: int | None = None) -> bytes:
    """``key`` as a file's bytes, under ``passphrase`` when there is one."""
    header: dict[str, Any] = {
        "format": FORMAT,
        "fingerprints": [secret.fingerprint for secret in key.secrets],
        "checks": [key_check(secret.bfv_seed()) for secret in key.secrets],
        "ckks_check": _ckks_check(key.ckks),
    }
    inner = {"secrets": [_text(secret.master) for secret in key.secrets], "ckks": _text(key.ckks)}
    if passphrase is None:
        return _pretty(header | inner)
    if not passphrase:
        raise KeyFileError("an empty passphrase protects nothing: give one, or none at all")
    salt, nonce = secrets.token_bytes(_SALT), secrets.token_bytes(_NONCE)
    header |= {"scrypt_n": scrypt_n or SCRYPT_N, "salt": _text(salt), "nonce": _text(nonce)}
    cipher = AESGCM(_stretch(passphrase, salt, header["scrypt_n"]))
    return _pretty(header | {"wrapped": _text(cipher.encrypt(nonce, _pretty(inner), _associated(header)))})


def _ckks_check(context: bytes) -> str:
    return hashlib.sha256(context).hexdigest()[:16] if context else ""


def _stretch(passphrase: bytes, salt: bytes, scrypt_n: int) -> bytes:
    return Scrypt(salt=salt, length=_KEY, n=scrypt_n, r=8, p=1).derive(passphrase)


def _associated(header: dict[str, Any]) -> bytes:
    """What AES-GCM authenticates of a wrapped file beside its ciphertext: every other field."""
    return json.dumps(header, sort_keys=True, separators=(",", ":")).encode()


def _pretty(fields: dict[str, Any]) -> bytes:
    return json.dumps(fields, indent=1).encode() + b"\n"


def _text(data: bytes) -> str:
    return base64.b64encode(data).decode("ascii")


# ---------------------------------------------------------------------- bytes -> key


def read_header(data: bytes, where: str) -> Header:
    """What the file at ``where`` says without a passphrase.

    Raises
    ------
    KeyFileError
        damaged JSON, an unknown format, a missing, surplus or misshapen field.
    """
    fields = _fields(data, where)
    return Header(tuple(fields["fingerprints"]), "wrapped" in fields, bool(fields["ckks_check"]))


def decode(data: bytes, passphrase: bytes | None, where: str) -> ConsortiumKey:
    """The key in the bytes of the file at ``where``; undoes :func:`encode`.

    Raises
    ------
    KeyFileError
        as :func:`read_header`; a passphrase is missing, wrong or not needed; the secrets are not those of the header;
        or the SEAL at hand derives another BFV key from them.
    """
    fields = _fields(data, where)
    if "wrapped" in fields:
        if passphrase is None:
            raise KeyFileError(
                f"{where} is protected by a passphrase: give it (--passphrase-file FILE; at a node, passphrase-path)"
            )
        inner = _unwrap(fields, passphrase, where)
    elif passphrase is not None:
        raise KeyFileError(f"{where} is not protected by a passphrase, but one was given: leave it out")
    else:
        inner = {name: fields[name] for name in _PLAIN}
    masters = [_bytes(text, where) for text in inner["secrets"]]
    if any(len(master) != SIZE for master in masters):
        raise _damaged(where, f"a secret has not {SIZE} bytes")
    held = [Secret(master) for master in masters]
    if [secret.fingerprint for secret in held] != fields["fingerprints"]:
        raise _damaged(where, "its secrets are not those of its fingerprints")
    ckks = _bytes(inner["ckks"], where)
    if _ckks_check(ckks) != fields["ckks_check"]:
        raise _damaged(where, "its CKKS context is not the one of its check")
    for secret, expected in zip(held, fields["checks"], strict=True):
        if (found := key_check(secret.bfv_seed())) != expected:
            raise KeyFileError(
                f"{where}: SEAL here derives another BFV key from secret {secret.fingerprint} (check {found}, the file "
                f"says {expected}): install the tenseal that the other hospitals use, or restore the file"
            )
    return ConsortiumKey(held[0], tuple(held[1:]), ckks)


def _damaged(where: str, what: str) -> KeyFileError:
    return KeyFileError(f"{where} is damaged ({what}): restore it from a copy, or get it from another hospital")


def _json(data: bytes) -> Any:
    try:
        return json.loads(data)
    except (ValueError, RecursionError):  # both kinds of ValueError carry the text, so neither may be chained
        return None


def _fields(data: bytes, where: str) -> dict[str, Any]:
    fields = _json(data)
    if not isinstance(fields, dict):
        raise _damaged(where, "it is no JSON object")
    if fields.get("format") != FORMAT:
        raise KeyFileError(f"{where} is of another format: expected {FORMAT!r}, as `crossward keys` writes")
    if set(fields) not in (set(_HEADER + _PLAIN), set(_HEADER + _WRAPPED)):
        raise _damaged(where, "fields are missing or unknown")
    names = fields["fingerprints"]
    if not (_hex_list(names) and _hex_list(fields["checks"]) and 0 < len(names) == len(fields["checks"])):
        raise _damaged(where, "fingerprints and checks are no lists of 16 hex digits, or differ in number")
    if fields["ckks_check"] != "" and not _hex_list([fields["ckks_check"]]):
        raise _damaged(where, "the CKKS check has not 16 hex digits")
    if "wrapped" not in fields:
        _check_inner(fields, where)
    return fields


def _check_inner(fields: dict[str, Any], where: str) -> None:
    listed = fields["secrets"]
    if not (isinstance(listed, list) and listed and all(isinstance(text, str) for text in [*listed, fields["ckks"]])):
        raise _damaged(where, "its secrets are no list of texts")


def _hex_list(values: Any) -> bool:
    return isinstance(values, list) and all(
        isinstance(value, str) and len(value) == 16 and set(value) <= set("0123456789abcdef") for value in values
    )


def _bytes(text: Any, where: str) -> bytes:
    data = None
    if isinstance(text, str):
        with suppress(binascii.Error, ValueError):
            data = base64.b64decode(text, validate=True)
    if data is None:
        raise _damaged(where, "a field is no base64")
    return data


def _unwrap(fields: dict[str, Any], passphrase: bytes, where: str) -> dict[str, Any]:
    header = {name: value for name, value in fields.items() if name != "wrapped"}
    n, (low, high) = fields["scrypt_n"], _SCRYPT_RANGE
    if not (type(n) is int and low <= n <= high and n & (n - 1) == 0):
        raise _damaged(where, f"scrypt_n is no power of two from {low} to {high}")
    salt, nonce, wrapped = (_bytes(fields[name], where) for name in ("salt", "nonce", "wrapped"))
    if len(salt) != _SALT or len(nonce) != _NONCE:
        raise _damaged(where, "salt or nonce has another length")
    inner = None
    with suppress(InvalidTag):
        inner = _json(AESGCM(_stretch(passphrase, salt, n)).decrypt(nonce, wrapped, _associated(header)))
    if inner is None:
        raise KeyFileError(f"the passphrase does not open {where}, or the file is damaged: check both")
    if not isinstance(inner, dict) or set(inner) != set(_PLAIN):
        raise _damaged(where, "what is wrapped is no key")
    _check_inner(inner, where)
    return inner
