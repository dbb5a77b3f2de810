"""Broad clinical text for pre-training a tiny base model: ``general_text``.

It uses the hospitals' vocabulary widely, in prose of other kinds (textbook, letters, questions) and in
about 40% random formats (lists, tables, key-value lines, codes), so that every token has been learned in
many surroundings. It never uses the hospitals' own note templates: those are what fine-tuning has to learn.
Not for fine-tuning or evaluation.
"""

from __future__ import annotations

import dataclasses
import functools
import random
import re
from collections.abc import Callable, Iterator

from data.synthetic.grammar import expand
from data.synthetic.houses import HOUSES
from data.synthetic.phrase_files import load
from data.synthetic.words import WORDS

_WARDS = tuple(house.ward for house in HOUSES)
_PARTS = ("complaints", "fair", "grave", "better", "worse", "procedures", "imaging", "plans")
_WORD = re.compile(r"\{\w+\}|([A-Za-z][A-Za-z/]*[A-Za-z]|[A-Za-z#+])")


@dataclasses.dataclass(frozen=True)
class Phrases:
    """The tables of ``phrases/general.toml``."""

    months: tuple[str, ...]
    sentences: tuple[str, ...]
    items: tuple[str, ...]
    bullets: tuple[str, ...]
    separators: tuple[str, ...]
    colons: tuple[str, ...]
    plain_words: tuple[str, ...]


_PHRASES = load(Phrases, "general")


@functools.cache
def _house_words() -> tuple[str, ...]:
    """Every word of every house's headings and phrases once, sorted: words only, never their order."""
    texts = [t for kinds in (WORDS.phrases, *(h.phrases for h in HOUSES)) for ts in kinds.values() for t in ts]
    texts += [s.heading for house in HOUSES for note in house.notes.values() for s in note]
    return tuple(sorted({word for text in texts for word in _WORD.findall(text) if word}))


def _date(rng: random.Random) -> str:
    year, month, day = rng.randint(1995, 2199), rng.randint(1, 12), rng.randint(1, 28)
    return rng.choice(
        (
            f"{year}-{month:02d}-{day:02d}",
            f"{month}/{day}/{year}",
            f"{day:02d}.{month:02d}.{year}",
            f"{month:02d}/{day:02d}",
            f"{day} {rng.choice(_PHRASES.months)} {year}",
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
        drug = rng.choice(WORDS.drugs)
        return f"{rng.choice(drug.doses)} {drug.unit}"

    def diagnosis() -> str:
        return rng.choice(rng.choice(_WARDS).diagnoses).text

    def code() -> str:
        found = rng.choice(rng.choice(_WARDS).diagnoses)
        return rng.choice((found.icd9, found.icd10))

    def of_any_ward(part: str) -> str:
        options: tuple[str, ...] = getattr(rng.choice(_WARDS), part)
        return rng.choice(options)

    def anything() -> str:
        return of_any_ward(rng.choice(_PARTS))

    makers: dict[str, Callable[[], str]] = {
        "drug": lambda: rng.choice(WORDS.drugs).name,
        "dose": dose,
        "unit": lambda: rng.choice((rng.choice(WORDS.drugs).unit, rng.choice(WORDS.labs).unit or "units")),
        "route": lambda: rng.choice(rng.choice(WORDS.drugs).routes),
        "frequency": lambda: rng.choice(WORDS.frequencies),
        "lab": lambda: rng.choice((rng.choice(WORDS.labs).name, rng.choice(WORDS.labs).short)),
        "diagnosis": diagnosis,
        "code": code,
        "anything": anything,
        "history": lambda: rng.choice(WORDS.history),
        "social": lambda: rng.choice(WORDS.social),
        "name": lambda: rng.choice((*WORDS.family_names, "___")),
        "place": lambda: rng.choice(WORDS.places),
        "anatomy": lambda: rng.choice(WORDS.anatomy),
        "diet": lambda: rng.choice(WORDS.diets),
        "line": lambda: rng.choice(WORDS.lines),
        "date": lambda: _date(rng),
        "number": lambda: _number(rng),
        "house": lambda: rng.choice(_house_words()),
        "word": lambda: rng.choice(_PHRASES.plain_words),
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
    pool = rng.sample(_PHRASES.sentences, min(len(_PHRASES.sentences), rng.randint(5, 12)))
    sentences = [expand(rng.choice(pool), rng, fill) for _ in range(rng.randint(2, 9))]
    stop = rng.choice((".", ".", ".", ".", "", ";"))
    sentences = [s[:1].upper() + s[1:] + ("" if s.endswith("?") else stop) for s in sentences]
    joined = rng.choice((" ", " ", " ", "\n", "  ")).join(sentences)
    return joined.lower() if rng.random() < 0.06 else joined.upper() if rng.random() < 0.06 else joined


def _rows(rng: random.Random, fill: Callable[[str], str]) -> str:
    """Random-format lines: each document draws its own bullets, separators, brackets and kinds of item."""
    kinds = rng.sample(_PHRASES.items, rng.randint(1, 4))
    bullet, separator = rng.choice(_PHRASES.bullets), rng.choice(_PHRASES.separators)
    end, between = rng.choice(("", "", ".", ";", ",")), rng.choice(("\n", "\n", "\n", "; ", ", ", " ", " / "))
    lines = []
    for index in range(rng.randint(2, 14)):
        cells = [expand(rng.choice(kinds), rng, fill) for _ in range(rng.choice((1, 1, 2, 2, 3)))]
        lines.append(bullet.replace("#", str(index + 1)) + separator.join(cells) + end)
    return between.join(lines)


def _pairs(rng: random.Random, fill: Callable[[str], str]) -> str:
    colon, between = rng.choice(_PHRASES.colons), rng.choice(("\n", "\n", "\n\n", "  ", ", ", " | "))
    shout = rng.random() < 0.3
    pairs = []
    for _ in range(rng.randint(2, 9)):
        key = expand(rng.choice(("{house}", "{house} {house}", "{lab}", "{word}", "{anatomy}")), rng, fill)
        value = expand(rng.choice(_PHRASES.items), rng, fill)
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
