"""Broad clinical text for pre-training a tiny base model: ``general_text``.

It uses the hospitals' vocabulary widely, in prose of other kinds (textbook, letters, questions) and in
about 40% random formats (lists, tables, key-value lines, codes), so that every token has been learned in
many surroundings. It never uses the hospitals' own note templates: those are what fine-tuning has to learn.
Not for fine-tuning or evaluation.
"""

from __future__ import annotations

import functools
import random
from collections.abc import Callable, Iterator

from data.synthetic import general_phrases as phrases
from data.synthetic import wards_a, wards_b
from data.synthetic.grammar import expand
from data.synthetic.house_words import house_words
from data.synthetic.specialties import Specialty
from data.synthetic.words import (
    ANATOMY,
    DIETS,
    DRUGS,
    FAMILY_NAMES,
    FREQUENCIES,
    HISTORY,
    LABS,
    LINES,
    PLACES,
    SOCIAL,
)

WARDS: tuple[Specialty, ...] = tuple(
    ward for module in (wards_a, wards_b) for ward in vars(module).values() if isinstance(ward, Specialty)
)
_DRUGS = tuple(DRUGS.values())
_LABS = tuple(LABS.values())
_PARTS = ("complaints", "fair", "grave", "better", "worse", "procedures", "imaging", "plans")


def _date(rng: random.Random) -> str:
    year, month, day = rng.randint(1995, 2199), rng.randint(1, 12), rng.randint(1, 28)
    return rng.choice(
        (
            f"{year}-{month:02d}-{day:02d}",
            f"{month}/{day}/{year}",
            f"{day:02d}.{month:02d}.{year}",
            f"{month:02d}/{day:02d}",
            f"{day} {rng.choice(phrases.MONTHS)} {year}",
            "___",
        )
    )


def _number(rng: random.Random) -> str:
    return rng.choice(
        (
            str(rng.randint(0, 9)),
            str(rng.randint(10, 99)),
            str(rng.randint(100, 999)),
            f"{rng.uniform(0, 12):.1f}",
            f"{rng.uniform(0, 2):.2f}",
            f"{rng.randint(80, 190)}/{rng.randint(40, 110)}",
            f"{rng.randint(1, 99)}%",
            f"{rng.randint(0, 23):02d}:{rng.randint(0, 59):02d}",
            f"{rng.randint(0, 23):02d}{rng.randint(0, 59):02d}",
            f"{rng.randint(1, 6)}-{rng.randint(7, 14)}",
        )
    )


def _filler(rng: random.Random) -> Callable[[str], str]:
    """Slots of the general phrases; every call draws from all wards, so that vocabulary mixes freely."""

    def dose() -> str:
        drug = rng.choice(_DRUGS)
        return f"{rng.choice(drug.doses)} {drug.unit}"

    def diagnosis() -> str:
        return rng.choice(rng.choice(WARDS).diagnoses).text

    def code() -> str:
        found = rng.choice(rng.choice(WARDS).diagnoses)
        return rng.choice((found.icd9, found.icd10))

    def of_any_ward(part: str) -> str:
        options: tuple[str, ...] = getattr(rng.choice(WARDS), part)
        return rng.choice(options)

    def anything() -> str:
        return of_any_ward(rng.choice(_PARTS))

    makers: dict[str, Callable[[], str]] = {
        "drug": lambda: rng.choice(_DRUGS).name,
        "dose": dose,
        "unit": lambda: rng.choice((rng.choice(_DRUGS).unit, rng.choice(_LABS).unit or "units")),
        "route": lambda: rng.choice(rng.choice(_DRUGS).routes),
        "frequency": lambda: rng.choice(FREQUENCIES),
        "lab": lambda: rng.choice((rng.choice(_LABS).name, rng.choice(_LABS).short)),
        "diagnosis": diagnosis,
        "code": code,
        "anything": anything,
        "history": lambda: rng.choice(HISTORY),
        "social": lambda: rng.choice(SOCIAL),
        "name": lambda: rng.choice((*FAMILY_NAMES, "___")),
        "place": lambda: rng.choice(PLACES),
        "anatomy": lambda: rng.choice(ANATOMY),
        "diet": lambda: rng.choice(DIETS),
        "line": lambda: rng.choice(LINES),
        "date": lambda: _date(rng),
        "number": lambda: _number(rng),
        "house": lambda: rng.choice(house_words()),
        "word": lambda: rng.choice(phrases.PLAIN_WORDS),
    }
    for part in _PARTS:
        makers[part.removesuffix("s")] = functools.partial(of_any_ward, part)
    return lambda slot: makers[slot]()


def _cased(text: str, rng: random.Random) -> str:
    style = rng.random()
    if style < 0.08:
        return text.upper()
    if style < 0.16:
        return text.lower()
    if style < 0.22:
        return text.title()
    return text[:1].upper() + text[1:]


def _prose(rng: random.Random, fill: Callable[[str], str]) -> str:
    pool = rng.sample(phrases.SENTENCES, min(len(phrases.SENTENCES), rng.randint(5, 12)))
    sentences = [expand(rng.choice(pool), rng, fill) for _ in range(rng.randint(2, 9))]
    stop = rng.choice((".", ".", ".", ".", "", ";"))
    sentences = [s[:1].upper() + s[1:] + ("" if s.endswith("?") else stop) for s in sentences]
    joined = rng.choice((" ", " ", " ", "\n", "  ")).join(sentences)
    return joined.lower() if rng.random() < 0.06 else joined.upper() if rng.random() < 0.06 else joined


def _rows(rng: random.Random, fill: Callable[[str], str]) -> str:
    """Random-format lines: each document draws its own bullets, separators, brackets and kinds of item."""
    kinds = rng.sample(phrases.ITEMS, rng.randint(1, 4))
    bullet, separator = rng.choice(phrases.BULLETS), rng.choice(phrases.SEPARATORS)
    end, between = rng.choice(("", "", ".", ";", ",")), rng.choice(("\n", "\n", "\n", "; ", ", ", " ", " / "))
    lines = []
    for index in range(rng.randint(2, 14)):
        cells = [expand(rng.choice(kinds), rng, fill) for _ in range(rng.choice((1, 1, 2, 2, 3)))]
        lines.append(bullet.replace("#", str(index + 1)) + separator.join(cells) + end)
    return between.join(lines)


def _pairs(rng: random.Random, fill: Callable[[str], str]) -> str:
    colon, between = rng.choice(phrases.COLONS), rng.choice(("\n", "\n", "\n\n", "  ", ", ", " | "))
    shout = rng.random() < 0.3
    pairs = []
    for _ in range(rng.randint(2, 9)):
        key = expand(rng.choice(("{house}", "{house} {house}", "{lab}", "{word}", "{anatomy}")), rng, fill)
        value = expand(rng.choice(phrases.ITEMS), rng, fill)
        pairs.append((key.upper() if shout else _cased(key, rng)) + colon + value)
    return between.join(pairs)


def _salad(rng: random.Random, fill: Callable[[str], str]) -> str:
    slots = ("{house}", "{house}", "{word}", "{anything}", "{drug}", "{number}", "{lab}", "{history}")
    words = [expand(rng.choice(slots), rng, fill) for _ in range(rng.randint(10, 60))]
    marks = rng.choices(("", "", "", "", ",", ".", ":", ";", "\n", " -", "\n\n", "(", ")"), k=len(words))
    return " ".join(_cased(w, rng) + m for w, m in zip(words, marks, strict=True)).replace("\n ", "\n")


def general_text(rng: random.Random) -> Iterator[str]:
    """Documents of general clinical text without end, 30 to 300 words each; the same ``rng`` gives the same."""
    fill = _filler(rng)
    makers = (_prose, _rows, _pairs, _salad)
    while True:
        parts = [rng.choices(makers, weights=(60, 16, 14, 10))[0](rng, fill) for _ in range(rng.choice((1, 1, 2, 3)))]
        titled = rng.random() < 0.3
        title = expand("<{diagnosis}|{house} {house}|{procedure}|{anatomy}>", rng, fill) if titled else ""
        yield (_cased(title, rng) + rng.choice(("\n", ":\n", "\n\n")) if titled else "") + "\n".join(parts)
