"""A key's bytes give the key back, say so when anything about them is wrong, and never tell a secret."""

import base64
import copy
import json
import pickle
import traceback
from collections.abc import Iterator
from typing import Any

import pytest

from crossward.encryption import key_format
from crossward.encryption.key_format import ConsortiumKey, KeyFileError, decode, encode, read_header
from crossward.encryption.secret import Secret

PASSPHRASE = b"correct horse battery"
CONTEXT = bytes(range(200)) * 3
KEY = ConsortiumKey(Secret(bytes(range(32))), (Secret(b"\x07" * 32), Secret(b"\x09" * 32)), CONTEXT)
PLAIN = json.loads(encode(KEY))
WRAPPED = json.loads(encode(KEY, PASSPHRASE, scrypt_n=1 << 10))


def forms(data: bytes) -> list[str]:
    """How ``data`` could be told: hex, base64, Python's own."""
    return [data.hex(), base64.b64encode(data).decode().rstrip("="), repr(data), str(list(data))[1:-1]]


SECRETS = [text for secret in KEY.secrets for text in forms(secret.master)] + forms(CONTEXT[:32]) + forms(PASSPHRASE)


def secrets_in(text: str) -> list[str]:
    return [secret for secret in SECRETS if secret in text]


def chain(error: BaseException | None) -> Iterator[BaseException]:
    while error is not None:
        yield error
        error = error.__cause__ or error.__context__


def refusal(fields: Any, passphrase: bytes | None = None, message: str = "the.key") -> str:
    """What decoding ``fields`` says, after a look through everything that the exception carries along."""
    data = fields if isinstance(fields, bytes) else json.dumps(fields).encode()
    with pytest.raises(KeyFileError, match=message) as caught:
        decode(data, passphrase, "the.key")
    for error in chain(caught.value):
        carried = "".join(traceback.format_exception(error)) + repr(error.args) + repr(vars(error))
        carried += repr([getattr(error, name, "") for name in ("doc", "object")])
        assert not secrets_in(carried)
    return str(caught.value)


# ---------------------------------------------------------------------- there and back


def test_a_key_in_the_clear_comes_back() -> None:
    assert decode(json.dumps(PLAIN).encode(), None, "the.key") == KEY


def test_a_wrapped_key_comes_back_and_its_file_tells_no_secret() -> None:
    data = encode(KEY, PASSPHRASE, scrypt_n=1 << 10)
    assert decode(data, PASSPHRASE, "the.key") == KEY
    assert not secrets_in(data.decode())
    assert encode(KEY, PASSPHRASE, scrypt_n=1 << 10) != data  # salt and nonce are fresh


def test_the_cost_of_a_guess_is_what_is_written() -> None:
    assert json.loads(encode(KEY, PASSPHRASE))["scrypt_n"] == key_format.SCRYPT_N >= 1 << 15


@pytest.mark.parametrize(("fields", "wrapped"), [(PLAIN, False), (WRAPPED, True)])
def test_the_header_needs_no_passphrase(fields: dict[str, Any], wrapped: bool) -> None:
    header = read_header(json.dumps(fields).encode(), "the.key")
    assert header.fingerprints == tuple(secret.fingerprint for secret in KEY.secrets)
    assert (header.wrapped, header.ckks) == (wrapped, True)


def test_a_secret_is_found_by_its_fingerprint() -> None:
    assert KEY.fingerprint == KEY.current.fingerprint
    assert [KEY.find(secret.fingerprint) for secret in KEY.secrets] == list(KEY.secrets)
    assert KEY.find("0" * 16) is None


# ---------------------------------------------------------------------- refusals


def test_a_missing_wrong_or_needless_passphrase() -> None:
    refusal(WRAPPED, None, "protected by a passphrase: give it")
    refusal(WRAPPED, b"wrong horse", "the passphrase does not open the.key")
    refusal(PLAIN, PASSPHRASE, "is not protected by a passphrase")
    with pytest.raises(KeyFileError, match="an empty passphrase"):
        encode(KEY, b"")


def damaged(value: Any) -> list[Any]:
    """``value`` with something of it changed, each time within its type, and of other types."""
    others: list[Any] = [None, 7, [], {}, "", "ab", ["x" * 16], [["f" * 16]], -1]
    if isinstance(value, str) and value:
        flipped = "A" if value[0] != "A" else "B"
        others += [flipped + value[1:], value[:-1], value[4:], value + "é", "0" * 16]
    elif isinstance(value, list):
        others += [value[::-1], value[1:], [*value, value[0]], *([*value[:-1], one] for one in damaged(value[-1]))]
    elif isinstance(value, int):
        others += [value * 2, value + 1, 1 << 40, float(value), True]
    return [other for other in others if other != value or type(other) is not type(value)]


@pytest.mark.parametrize(("fields", "passphrase"), [(PLAIN, None), (WRAPPED, PASSPHRASE)], ids=["plain", "wrapped"])
def test_damage_to_any_field_is_refused(fields: dict[str, Any], passphrase: bytes | None) -> None:
    for name, value in fields.items():
        for other in damaged(value):
            refusal(fields | {name: other}, passphrase)
        refusal({key: kept for key, kept in fields.items() if key != name}, passphrase)
    refusal(fields | {"note": "surplus"}, passphrase, "missing or unknown")


@pytest.mark.parametrize(
    ("data", "message"),
    [
        (b"", "no JSON"),
        (b"\xff\xfe\x00", "no JSON"),
        (b"[]", "no JSON object"),
        (json.dumps(PLAIN).encode()[:-9], "no JSON"),
        (b"[" * 200_000, "no JSON"),
        (json.dumps(PLAIN | {"format": "crossward-key/2"}).encode(), "another format: expected 'crossward-key/1'"),
    ],
)
def test_what_is_no_key_file_is_refused(data: bytes, message: str) -> None:
    refusal(data, None, message)


def test_the_wrapped_fields_and_the_header_belong_together() -> None:
    other = json.loads(encode(ConsortiumKey(Secret(b"\x01" * 32)), PASSPHRASE, scrypt_n=1 << 10))
    refusal(WRAPPED | {name: other[name] for name in ("fingerprints", "checks", "ckks_check")}, PASSPHRASE, "not open")


def test_a_library_that_derives_another_key_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(key_format, "key_check", lambda seed: "0123456789abcdef")
    printed = refusal(PLAIN, None, "SEAL here derives another BFV key")
    assert "0123456789abcdef" in printed and PLAIN["checks"][0] in printed


# ---------------------------------------------------------------------- nothing slips out


def test_it_prints_as_fingerprints() -> None:
    for text in (repr(KEY), str(KEY), f"{KEY}", repr([KEY]), repr(KEY.current)):
        assert KEY.fingerprint in text
        assert not secrets_in(text)


def test_it_is_not_pickled_nor_copied() -> None:
    for call in (pickle.dumps, copy.copy):
        with pytest.raises(TypeError, match="never pickled") as caught:
            call(KEY)
        assert not secrets_in(str(caught.value))
    assert copy.deepcopy(KEY) is KEY
