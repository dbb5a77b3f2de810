"""What counts as nothing, decided before any attack was run, and how many victims it takes to show it.

A gain over the guess is *equivalent to nothing* when two one-sided tests at 5 % both reject (TOST), which is the 90 %
interval lying within the margin.

TOKENS: 0.03 of a victim's distinct tokens. A note of 24 distinct tokens has less than one token more recovered than
guessed, and the language model's guess itself moves by as much from one draw of reference text to another.
SPANS: 0.05 of a victim's identifiers in a forced choice. With eight candidates chance is 0.125; an observer who is
right in 0.175 of the choices still names seven wrong identifiers of eight.

The margins of sums were set after trial runs. EXACT: 0.01 of a version's values, at which all others' integers come
out of a sum: about what guessing reaches. BITS: 0.1 of the seven or so bits that another contributor's value has.
Within both, a dithered sum is equivalent to one that was rounded to a quantisation step.

Not for: how intervals are made (``research.attacks.statistics``).
"""

from __future__ import annotations

TOKENS = 0.03
SPANS = 0.05
EXACT = 0.01
BITS = 0.1
RECOVERED = 0.95  # what the positive control must reach, as a share of tokens and as precision
