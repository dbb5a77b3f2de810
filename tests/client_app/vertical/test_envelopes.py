"""Envelopes open at their receiver alone, as their sender signed them; arrays in them are what they say."""

from __future__ import annotations

import io
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from client_app.vertical.arrays import from_bytes, load, save, to_bytes
from client_app.vertical.envelopes import Mail
from client_app.vertical.errors import PartyError
from client_app.vertical.keys import PartyKeys
from crossward.protocol.vertical.messages import Envelope, Introduction
from tests.vertical_runs import Consortium


@pytest.fixture
def keys(tmp_path: Path) -> dict[str, PartyKeys]:
    made = Consortium(tmp_path)
    return {name: made.party(name, "lineage").keys for name in ("clinic", "hospital", "laboratory")}


@pytest.fixture
def parties(keys: dict[str, PartyKeys]) -> list[Introduction]:
    return [one.introduce("a table", name == "hospital") for name, one in keys.items()]


@pytest.fixture
def sent(keys: dict[str, PartyKeys], parties: list[Introduction]) -> tuple[Envelope, ...]:
    mail = Mail(keys["clinic"], parties, 3)
    mail.send("hospital", "embeddings", [b"first", b"second"])
    return tuple(mail.outbox)


def opened(keys: PartyKeys, parties: list[Introduction], inbox: tuple[Envelope, ...]) -> dict[str, list[bytes]]:
    return Mail(keys, parties, 4).opened(inbox, "embeddings")


def test_pieces_come_in_order(
    keys: dict[str, PartyKeys], parties: list[Introduction], sent: tuple[Envelope, ...]
) -> None:
    assert opened(keys["hospital"], parties, sent[::-1]) == {"clinic": [b"first", b"second"]}
    assert Mail(keys["hospital"], parties, 4).opened(sent, "targets") == {}


@pytest.mark.parametrize(
    ("changed", "message"),
    [
        ({"kind": "embeddings", "number": 1}, "not signed by its sender"),
        ({"sender": "laboratory"}, "not signed by its sender"),
        ({"step": 2}, "not signed by its sender"),
        ({"data": b"else"}, "not signed by its sender"),
        ({"step": 4}, "of a step to come"),
        ({"sender": "stranger"}, "from no party of the run"),
    ],
)
def test_a_changed_envelope_is_refused(
    keys: dict[str, PartyKeys],
    parties: list[Introduction],
    sent: tuple[Envelope, ...],
    changed: dict[str, object],
    message: str,
) -> None:
    with pytest.raises(PartyError, match=message):
        opened(keys["hospital"], parties, (sent[0]._replace(**changed),))


def test_nobody_else_opens_one(
    keys: dict[str, PartyKeys], parties: list[Introduction], sent: tuple[Envelope, ...]
) -> None:
    with pytest.raises(PartyError, match="is not to this party"):
        opened(keys["laboratory"], parties, sent)
    taken = replace(keys["laboratory"])
    forged = sent[0]._replace(receiver="laboratory")
    signed = forged._replace(signature=keys["clinic"].identity.sign(forged.signed_bytes("lineage")))
    with pytest.raises(PartyError, match="does not open"):  # even with its sender's help: it is sealed to another
        opened(taken, parties, (signed,))


def test_a_missing_piece_is_noticed(
    keys: dict[str, PartyKeys], parties: list[Introduction], sent: tuple[Envelope, ...]
) -> None:
    with pytest.raises(PartyError, match="some are missing"):
        opened(keys["hospital"], parties, sent[1:])


def test_an_aggregator_cannot_introduce_a_party_of_its_own(
    keys: dict[str, PartyKeys], parties: list[Introduction]
) -> None:
    own = Ed25519PrivateKey.generate()
    public = own.public_key().public_bytes_raw()
    fake = replace(parties[0], public_key=public)
    fake = replace(fake, signature=own.sign(fake.signed_bytes("lineage")))
    with pytest.raises(PartyError, match="a key that is not the roster's"):
        Mail(keys["hospital"], [fake, *parties[1:]], 3)
    swapped = replace(parties[0], key=parties[1].key)
    with pytest.raises(PartyError, match="is not signed by the identity that the roster has"):
        Mail(keys["hospital"], [swapped, *parties[1:]], 3)
    other = replace(parties[0], roster="0" * 64)
    with pytest.raises(PartyError, match="follows roster 0000000000000000, this party roster"):
        Mail(keys["hospital"], [other, *parties[1:]], 3)


@pytest.mark.parametrize(
    ("array", "message"),
    [
        (np.zeros((3, 2)), r"are float64 \[3, 2\], expected float32 \[3, 2\]"),
        (np.zeros((4, 2), np.float32), r"are float32 \[4, 2\], expected float32 \[3, 2\]"),
        (np.full((3, 2), np.nan, np.float32), "not finite"),
        (np.full((3, 2), np.inf, np.float32), "not finite"),
        (np.full((3, 2), -2e6, np.float32), "beyond 1e.06"),
    ],
)
def test_arrays_of_others_are_checked(array: np.ndarray, message: str) -> None:
    with pytest.raises(PartyError, match=message):
        from_bytes(to_bytes(array), "embeddings", (3, 2))


def test_only_what_may_be_missing_is(tmp_path: Path) -> None:
    one = np.array([[0.5], [np.nan]], np.float32)
    assert from_bytes(to_bytes(one), "predictions", (2, 1), missing=True)[0, 0] == 0.5
    with pytest.raises(PartyError, match="embeddings hold values that are not finite"):
        from_bytes(to_bytes(one), "embeddings", (2, 1))  # with vertical.embedding = 1
    at = np.array([[16_777_217]], np.int32)  # which a float32 cannot hold
    assert from_bytes(to_bytes(at), "positions", (None, 1), np.int32)[0, 0] == 16_777_217
    huge = to_bytes(one).replace(b"(2, 1)", b"(9999999999999, 1)")
    with pytest.raises(PartyError, match="embeddings are no array"):
        from_bytes(huge, "embeddings", (2, 1))


def test_a_sender_sends_as_many_pieces_as_a_step_has(
    keys: dict[str, PartyKeys], parties: list[Introduction], sent: tuple[Envelope, ...]
) -> None:
    mail = Mail(keys["hospital"], parties, 4)
    assert mail.opened(sent, "embeddings", 2) == {"clinic": [b"first", b"second"]}
    with pytest.raises(PartyError, match="'clinic' sent 2 envelopes 'embeddings', expected 1"):
        mail.opened(sent, "embeddings", 1)


def test_rubbish_is_no_array_and_pickles_are_not_read(tmp_path: Path) -> None:
    pickled = io.BytesIO()
    np.save(pickled, np.array([{"a": 1}], dtype=object), allow_pickle=True)
    for data in (b"", b"rubbish", pickled.getvalue()):
        with pytest.raises(PartyError, match="embeddings are no array"):
            from_bytes(data, "embeddings", (None, 2))
    save(tmp_path / "state.npz", {"a": np.arange(3)})
    assert load(tmp_path / "state.npz", "the state")["a"].tolist() == [0, 1, 2]
    (tmp_path / "state.npz").write_bytes(b"torn")
    with pytest.raises(PartyError, match="the state cannot be read"):
        load(tmp_path / "state.npz", "the state")
