"""Small overlaps: what each party predicts alone of patients whom no other party has.

``distilled``: representations of all own patients, a joint model that also learns from the label holder's other
patients, and a student of its predictions. ``overlap alone``: the same with the common patients and no others. ``own
outcomes``: the label holder's features with its outcomes, no other party.

Not for: joint predictions (``benchmarks.split_learning.ways``).
"""

from __future__ import annotations

import numpy as np

from benchmarks.harness.figures import Row
from benchmarks.split_learning.parties import Consortium
from benchmarks.split_learning.ways import Bottoms, alone_model, row
from client_app.vertical.learning.arrays import Doubles, Ints
from client_app.vertical.learning.blocks import Blocks
from client_app.vertical.learning.bottoms import Bottom
from client_app.vertical.learning.distil import Student, soft_labels, student_split
from client_app.vertical.learning.splits import Split
from client_app.vertical.learning.top import JointModel
from data.synthetic.parties import PARTIES

NOBODY = np.zeros(0, np.int64)


def elsewhere(c: Consortium, party: int) -> Ints:
    """Patients of ``party`` to measure on: those whom it alone has; at the label holder, of them those held out."""
    rows = np.setdiff1d(np.arange(len(c.data[party].patients)), c.common[party])
    return np.intersect1d(rows, c.split.test) if party == 0 else rows


def one_overlap(c: Consortium) -> list[Row]:
    """Figures of every party outside the overlap."""
    bottoms, narrow = c.represented(), c.represented(common=True)
    found = []
    for way, ones, split in (("distilled", bottoms, c.split), ("overlap alone", narrow, c.known)):
        said, taught = _joint(c, ones, split)
        for party, one in enumerate(ones):
            held = elsewhere(c, party)
            student = _student(c, party, one, split, said, taught)
            found.append(_row(c, party, way, held, student.predict(held)))
    own, held = alone_model(c, bottoms[0], 0), elsewhere(c, 0)
    found.append(_row(c, 0, "own outcomes", held, own.predict(Blocks.scatter(len(own.own), []), held)))
    return found


def _row(c: Consortium, party: int, way: str, held: Ints, predicted: Doubles) -> Row:
    made = row(way, c.outcomes[party][held], predicted)
    return made | {"party": PARTIES[party].name, "overlap": c.sizes.overlap, "common": len(c.common[0])}


def _joint(c: Consortium, bottoms: Bottoms, split: Split) -> tuple[Doubles, Ints]:
    """The one-shot joint model's predictions for common patients who are not held out, and these as rows."""
    blocks = c.blocks(bottoms[1:])
    joint = JointModel(bottoms[0].twin(), blocks.widths, c.sizes.top, c.seed)
    joint.train(blocks, c.outcomes[0], split, c.seed)
    taught = np.setdiff1d(c.common[0], c.split.test)
    return joint.predict(blocks, taught), taught


def _student(c: Consortium, party: int, bottom: Bottom, split: Split, said: Doubles, taught: Ints) -> Student:
    """A student of the predictions ``said`` for ``taught``, and at the label holder of the outcomes in ``split``."""
    student = Student(bottom, c.sizes.top, c.seed)
    if party == 0:
        outcomes = c.data[0].outcome
        labels = soft_labels(len(bottom), taught, said, outcomes)
        student.train(labels, Split(split.train, split.validation, NOBODY), c.seed)
    else:
        rows = c.at(party, taught)
        student.train(soft_labels(len(bottom), rows, said), student_split(rows, c.seed), c.seed)
    return student
