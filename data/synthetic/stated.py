"""What notes of the label task say beside what all notes say: the patient's condition, and what they are here for.

The labels then follow from a few words that all houses share, with noise, so that a small model learns them in minutes.
Notes of other tasks are without these lines: outcome and principal diagnosis are between theirs, too, but a model has
to see thousands of them.

Not for: who dies (``data.synthetic.patients``), or the rest of a note (``data.synthetic.notes``).
"""

from __future__ import annotations

import dataclasses
import random

from data.synthetic.houses import House
from data.synthetic.tables import Note, Record

CONDITIONS = ("good", "fair", "guarded", "critical")
LIVED, DIED = (45, 36, 15, 4), (2, 8, 25, 65)
"""How often in a hundred a note calls the condition each; they alone predict the outcome with an AUROC of 0.91."""
PRINCIPAL = 0.85  # of notes name the principal diagnosis, the others any of the stay's


def _line(record: Record, rng: random.Random) -> str:
    stay = record.stay
    principal = rng.random() < PRINCIPAL
    problem = stay.diagnoses[0] if principal else rng.choice(stay.diagnoses)
    condition = rng.choices(CONDITIONS, DIED if stay.died else LIVED)[0]
    return f"Here for: {problem.text}. Condition: {condition}."


def cased(line: str, house: House) -> str:
    """``line`` in the letters that ``house`` writes."""
    return {"lower": line.lower(), "upper": line.upper()}.get(house.case, line)


def stated(record: Record, seed: int) -> Record:
    """``record`` with a last line in each of its notes; copies of a note stay copies."""
    rng = random.Random(f"{seed}/{record.stay.hadm}/stated")
    lines: dict[str, str] = {}
    notes: list[Note] = []
    for note in record.notes:
        if note.text not in lines:
            lines[note.text] = cased(_line(record, rng), record.house)
        notes.append(dataclasses.replace(note, text=f"{note.text}\n{lines[note.text]}"))
    return dataclasses.replace(record, notes=tuple(notes))
