"""What is to be thought of a check's numbers: the warnings that are worth a look before a run.

Not for: what makes notes unusable; that is a ``DataError`` of whoever reads them.
"""

from __future__ import annotations

from collections.abc import Iterator

from data.check.findings import Checked, Findings

LEFT_OUT = 0.05  # of the rows read
TOO_LONG = 0.3  # of the notes do not fit into a sequence
REPEATED = 0.1  # of the notes
RARE = 0.02  # of the notes have a label
UNMAPPED = 0.2  # of the notes have no common category
FEW_HELD_OUT, FEW_PATIENTS = 10, 30


def warnings(found: Findings, knows_patients: bool = True) -> tuple[str, ...]:
    """What to look at, in sentences that name numbers and settings; none where all is well.

    ``knows_patients``: the source says whose a note is.
    """
    out = list(_of_reading(found))
    for one in found.hospitals:
        several = f"{one.name}: " if len(found.hospitals) > 1 else ""
        judged = (
            *_of_patients(one, knows_patients),
            *_of_labels(one),
            *_of_lengths(one),
            *_of_texts(one),
            *_of_categories(one),
        )
        out += [several + text for text in judged]
    return tuple(out)


def share(part: int, whole: int) -> str:
    """``part`` of ``whole``, with the percentage."""
    return f"{part:,} of {whole:,} ({part / max(whole, 1):.0%})"


def _of_reading(found: Findings) -> Iterator[str]:
    read = found.counts.get("read", 0)
    for why, number in found.left_out.items():
        if number > LEFT_OUT * read:
            yield f"{share(number, read)} rows are left out: {why}"


def _of_patients(one: Checked, known: bool) -> Iterator[str]:
    if one.notes > 1 and one.patients == one.notes:
        which = "is the column of the patient another?" if known else "name the column of the patient if there is one."
        yield (
            f"every note is a patient of its own: {which} Notes of one patient would lie on both sides of the split, "
            "and held-out figures be too good"
        )
    if one.patients < FEW_PATIENTS:
        yield f"{one.patients} patients: below {FEW_PATIENTS} there is little to learn from and to measure on"
    elif one.test.patients < FEW_HELD_OUT:
        yield (
            f"{one.test.patients} held-out patients: intervals of held-out measures will be wide; raise "
            "data.test-fraction"
        )


def _of_labels(one: Checked) -> Iterator[str]:
    whole = sum(one.labels.values())
    present = [name for name, number in one.labels.items() if number]
    if len(present) == 1:
        yield f"every note has the label {present[0]}: here a model learns to give one answer"
    for name, number in one.labels.items():
        if 0 < number < RARE * whole:
            yield f"{share(number, whole)} notes have the label {name}"
    missing = [name for name, number in one.held_out_labels.items() if not number and one.labels.get(name)]
    if missing:
        yield f"no held-out note has the label {', '.join(missing)}: nothing can be measured for it"


def _of_lengths(one: Checked) -> Iterator[str]:
    lengths = one.lengths
    if lengths is None or lengths.share_longer <= TOO_LONG:
        return
    what = f"{share(lengths.longer, lengths.measured)} notes are longer than the {lengths.room:,} tokens that fit"
    if lengths.divided:
        yield f"{what} (data.max-tokens = {lengths.max_tokens}): they are divided, and read without what came before"
    else:
        yield (
            f"{what} (data.max-tokens = {lengths.max_tokens}): their middle is cut out, "
            f"{lengths.lost / max(lengths.tokens, 1):.0%} of all tokens"
        )


def _of_texts(one: Checked) -> Iterator[str]:
    same = one.duplicates
    if same.within > REPEATED * (one.notes + same.within):
        yield f"{share(same.within, one.notes + same.within)} notes repeat one of the same patient; each is used once"
    if same.across > REPEATED * one.notes:
        yield (
            f"{share(same.across, one.notes)} notes have the text of another patient's: templates, or one patient "
            "under several ids"
        )
    if (alike := same.near_within + same.near_across) > REPEATED * same.sampled:
        yield f"{share(alike, same.sampled)} notes are nearly another note: templates, or notes copied forward"


def _of_categories(one: Checked) -> Iterator[str]:
    unmapped = one.common.get("none", 0)
    if one.common and unmapped > UNMAPPED * one.notes:
        yield f"{share(unmapped, one.notes)} notes have no common category: map the hospital's own"
