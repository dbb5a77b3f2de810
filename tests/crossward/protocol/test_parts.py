"""Payloads: parts joined, split and digested."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from crossward.protocol.parts import Part, PartHead, Payload, ProtocolError, concatenate, join, split

part = st.builds(
    lambda kind, length, bits, data: Part(PartHead(kind, length, bits, len(data)), data),
    st.sampled_from(["clear", "other"]),
    st.integers(0, 5),
    st.integers(1, 64),
    st.binary(max_size=6),
)
payload = st.lists(part, max_size=4).map(join)


@settings(deadline=None, derandomize=True)
@given(st.lists(part, max_size=5))
def test_a_payload_gives_back_its_parts(parts: list[Part]) -> None:
    assert [Part(p.head, bytes(p.data)) for p in join(parts)] == parts


@settings(deadline=None, derandomize=True)
@given(st.lists(payload, min_size=1, max_size=4))
def test_splitting_undoes_concatenating(payloads: list[Payload]) -> None:
    whole = concatenate(payloads)
    back = split(whole, [len(p.heads) for p in payloads])
    assert [p.digest() for p in back] == [p.digest() for p in payloads]


def test_index_and_bytes_must_agree() -> None:
    with pytest.raises(ProtocolError, match="index speaks of 3 bytes but the payload has 2"):
        Payload((PartHead("clear", 3, 8, 3),), b"ab")


@pytest.mark.parametrize("head", [("clear", -1, 8, 1), ("clear", 1, 0, 1), ("clear", 1, 65, 1), ("clear", 1, 8, -1)])
def test_an_index_entry_out_of_range_is_refused(head: tuple[str, int, int, int]) -> None:
    with pytest.raises(ProtocolError, match="out of range"):
        Payload((PartHead(*head),), b"a")


def test_a_split_must_use_every_part() -> None:
    whole = join([Part(PartHead("clear", 1, 8, 1), b"a")] * 2)
    with pytest.raises(ProtocolError, match="2 parts cannot be split"):
        split(whole, [1])


def test_the_digest_covers_index_and_bytes() -> None:
    base = Payload((PartHead("clear", 2, 8, 2),), b"ab")
    others = [
        Payload((PartHead("clear", 2, 8, 2),), b"ac"),
        Payload((PartHead("other", 2, 8, 2),), b"ab"),
        Payload((PartHead("clear", 3, 8, 2),), b"ab"),
        Payload((PartHead("clear", 2, 7, 2),), b"ab"),
        Payload((PartHead("clear", 1, 8, 1),) * 2, b"ab"),
    ]
    assert len({p.digest() for p in [base, *others]}) == 6
    assert base.digest() == Payload(base.heads, memoryview(b"ab")).digest()
    assert base.shape == (("clear", 2),)
