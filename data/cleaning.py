"""Cleaning of a note, as published work on MIMIC does it; the same for every source.

- ``[** ... **]`` and runs of underscores become ``___``, MIMIC-IV's own mark, so that both releases look alike;
- lines that were wrapped at about 80 columns are joined again, other line breaks stay (headings and lists matter);
- runs of spaces, blank lines and rulers shrink.
Case, numbers and punctuation stay. Not for choosing notes: see readers and hospitals.
"""

from __future__ import annotations

import hashlib
import re

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

# each matches only what it changes: a pattern that matches every space costs eight times as much
_STEPS = (
    (r"\[\*\*[^\]]*\*\*\]|____+", "___"),
    (r"[ \t\f\v\x{00a0}][ \t\f\v\x{00a0}]+|[\t\f\v\x{00a0}]", " "),
    (r"([-=*#.~])[-=*#.~]{4,}", r"\1\1\1"),
    (r" \n ?|\n ", "\n"),
    (r"\n\n\n+", "\n\n"),
)
_WRAPPED = re.compile(r"(?m)^([^\n]{55,84}[^:.\s])\n(?=[a-z(])")


def clean(texts: pa.Array) -> pa.Array:
    """Cleaned notes, in order; a note of which nothing is left becomes ""."""
    texts = pc.replace_substring(pc.replace_substring(texts, "\r\n", "\n"), "\r", "\n")
    for pattern, replacement in _STEPS:
        texts = pc.replace_substring_regex(texts, pattern, replacement)
    joined = [_WRAPPED.sub(r"\1 ", text) for text in texts.to_pylist()]
    return pc.utf8_trim_whitespace(pa.array(joined, pa.string()))


def text_hashes(texts: pa.Array) -> npt.NDArray[np.uint64]:
    """A 64-bit hash of each note without its white space and case, to find the same note filed twice."""
    blake = hashlib.blake2b
    squeezed = ("".join(text.split()).lower() for text in texts.to_pylist())
    raw = b"".join(blake(text.encode(), digest_size=8).digest() for text in squeezed)
    return np.frombuffer(raw, dtype=np.uint64)
