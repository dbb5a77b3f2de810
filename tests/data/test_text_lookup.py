"""Ids that are texts are joined as whole numbers are."""

from __future__ import annotations

from data.text_lookup import TextLookup, hashes


def test_the_first_value_of_an_id_is_looked_up_and_an_empty_id_is_nobody() -> None:
    found = TextLookup()
    for key, value in (("a", "1"), ("b", "2"), ("a", "3"), ("", "4"), ("\ud800", "half \ud800")):
        found.add(key, value)
    assert found.get(["b", "a", "", "c", "\ud800"]).to_pylist() == ["2", "1", "", "", "half ?"]
    assert TextLookup().get(["a", ""]).to_pylist() == ["", ""]


def test_hashes_are_not_negative_and_differ() -> None:
    found = hashes(str(number) for number in range(10_000))
    assert found.min() >= 0 and len(set(found.tolist())) == 10_000 and hashes([""]).tolist() == [-1]
