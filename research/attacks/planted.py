"""Identifiers to plant in notes: a made-up name and a record number out of a space of known size.

A *canary* ("The Secret Sharer", arXiv 1802.08232) is a short note that no de-identification has been through: what an
attacker knows of it is ``prefix`` (the form and the name), what it looks for is ``secret``, ``DIGITS`` uniformly
random digits. The space of candidates has ``10 ** DIGITS`` members, all of equal chance.

Not for: whether a model gives them away (``research.attacks.canaries``).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from data.synthetic.words import FAMILY_NAMES

DIGITS = 6
SPACE = 10**DIGITS  # candidates
FORM = "Patient {name}, {initial}., record number {number}."
Ids = NDArray[np.int32]


@dataclass(frozen=True)
class Canary:
    """``prefix`` int32 [p] and ``secret`` int32 [DIGITS] tokens, planted ``repeats`` times; ``text`` is the note."""

    text: str
    prefix: Ids
    secret: Ids
    repeats: int

    @property
    def ids(self) -> Ids:
        """What the model reads of it in training."""
        return np.concatenate([self.prefix, self.secret])


def digit_tokens(tokenizer: Any) -> Ids:
    """The tokens of the digits 0 to 9, int32 [10].

    Raises
    ------
    ValueError
        the tokenizer does not make one token of one digit.
    """
    start = tokenizer(FORM.partition("{number}")[0] + "0", add_special_tokens=False)["input_ids"]
    found = []
    for digit in "0123456789":
        ids = tokenizer(FORM.partition("{number}")[0] + digit, add_special_tokens=False)["input_ids"]
        found.append(ids[-1])
        double = tokenizer(FORM.partition("{number}")[0] + digit + "7", add_special_tokens=False)["input_ids"]
        if len(ids) != len(start) or len(double) != len(ids) + 1 or double[:-1] != ids:
            raise ValueError(
                f"the tokenizer does not make one token of the digit {digit}: record numbers cannot be counted as "
                "candidates of equal length; attack a model whose tokenizer splits digits"
            )
    return np.array(found, dtype=np.int32)


def draw_canaries(tokenizer: Any, repeats: Sequence[int], each: int, rng: np.random.Generator) -> tuple[Canary, ...]:
    """``each`` canaries for every count of ``repeats`` (0: never planted, the guess), no name twice.

    Raises
    ------
    ValueError
        there are not names enough, or as :func:`digit_tokens`.
    """
    digits = digit_tokens(tokenizer)
    people = [(name, initial) for name in FAMILY_NAMES for initial in "ABCDEFGHJKLMNPRSTW"]
    count = each * len(repeats)
    if count > len(people):
        raise ValueError(f"{count} canaries need as many names; there are {len(people)}: plant fewer")
    found = []
    for number, person in enumerate(rng.permutation(len(people))[:count]):
        name, initial = people[person]
        secret = rng.integers(10, size=DIGITS)
        text = FORM.format(name=name, initial=initial, number="".join(map(str, secret)))
        before = text[: text.rindex(" ")] + " "
        prefix = tokenizer(before + "0", add_special_tokens=False)["input_ids"][:-1]
        canary = Canary(text, np.array(prefix, dtype=np.int32), digits[secret], repeats[number // each])
        whole = tokenizer(text, add_special_tokens=False)["input_ids"]
        if whole[: len(prefix) + DIGITS] != canary.ids.tolist():
            raise ValueError(f"the tokenizer splits {text!r} elsewhere than between its name and its number")
        found.append(canary)
    return tuple(found)
