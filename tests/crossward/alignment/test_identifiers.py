"""One spelling of an identifier, by stated rules; what is lost by it is counted and quoted nowhere."""

from __future__ import annotations

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from crossward.alignment import AlignmentError, Normalisation
from crossward.alignment.identifiers import spell

PREFIXED = Normalisation(prefixes=("MRN", "MRN-X"))


@pytest.mark.parametrize(
    ("written", "spelt"),
    [
        ("00123", "123"),
        (" MRN-00.12/3\t", "123"),
        ("mrn\u00a0123", "123"),  # a no-break space
        ("\uff2d\uff32\uff2e\uff11\uff12\uff13", "123"),  # full width
        ("\u0661\u0662\u0663", "123"),  # Arabic digits
        ("1\u200b2\u00ad3", "123"),  # invisible characters
        ("MRN-X123", "123"),  # the longest prefix
        ("MRN", ""),
        ("000", "0"),
        ("A-007", "a007"),  # zeros that do not lead
        ("Stra\u00dfe 1", "strasse1"),
        ("\ufb01-1", "fi1"),  # a ligature
        ("-- /", ""),
        ("", ""),
    ],
)
def test_spellings(written: str, spelt: str) -> None:
    assert PREFIXED(written) == spelt


def test_every_rule_can_be_switched_off() -> None:
    assert Normalisation(fold_case=False)("Ab-01") == "Ab01"
    assert Normalisation(remove_separators=False)(" Ab-01 ") == "ab-01"
    assert Normalisation(strip_zeros=False)("0-01") == "001"
    assert Normalisation()("MRN1") == "mrn1" != PREFIXED("MRN1")


@settings(max_examples=50)
@given(st.text(max_size=8))
@example("U\u00a8")
@example("\u0390 \u01f0")
def test_a_spelling_is_its_own(text: str) -> None:
    rules = Normalisation()
    assert rules(rules(text)) == rules(text)


@settings(max_examples=30)
@given(st.integers(0, 10**9), st.sampled_from(["{}", "{:012}", "{:,}", " {} ", "MRN {}", "mrn-{:010}"]))
def test_a_number_is_the_same_in_every_way_of_writing_it(number: int, way: str) -> None:
    assert PREFIXED(way.format(number)) == str(number)


def test_a_fingerprint_follows_the_rules() -> None:
    same = Normalisation(prefixes=("mrn-x", "MRN", "m r n"))
    assert same.fingerprint() == PREFIXED.fingerprint()
    others = [Normalisation(), Normalisation(fold_case=False), Normalisation(strip_zeros=False)]
    assert len({rules.fingerprint() for rules in (PREFIXED, *others)}) == 4


IDENTIFIERS = ("secret-1", "", "Secret 1", "b", "--", "SECRET1")


def test_what_is_empty_or_repeated_is_refused_without_being_quoted() -> None:
    with pytest.raises(AlignmentError, match=r"of 6 patient identifiers 2 are empty and 2 the same") as caught:
        spell(IDENTIFIERS, Normalisation())
    assert "secret" not in str(caught.value).lower()


def test_what_is_empty_or_repeated_can_be_left_out_and_is_counted() -> None:
    found = spell(IDENTIFIERS, Normalisation(), merge=True)
    assert (found.names, found.rows, found.empty, found.repeated) == (("secret1", "b"), (0, 3), 2, 2)
    with pytest.raises(AlignmentError, match="no patient identifier is left to compare"):
        spell(("", "--"), Normalisation(), merge=True)
