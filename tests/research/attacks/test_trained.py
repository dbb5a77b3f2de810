"""Who is trained on and who is not, and what is planted where."""

from __future__ import annotations

import numpy as np

from client_app.training.learner import LoraLearner
from client_app.training.trained import Vector
from research.attacks.patients import joined, part, planted, shortened
from research.attacks.trained import DEFAULT, LONG, PLANTED, Bench


def test_members_nonmembers_and_shadow_patients_are_apart_and_of_every_hospital(bench: Bench) -> None:
    for site in bench.sites:
        groups = [set(t.patient_ids) for t in (site.member, site.nonmember, site.shadow)]
        assert not groups[0] & groups[1] and not groups[0] & groups[2] and not groups[1] & groups[2]
        assert min(map(len, groups)) >= 3 and abs(len(groups[0]) - len(groups[1])) <= 6
    assert set(bench.target(DEFAULT).member.patient_ids) <= {i for s in bench.sites for i in s.member.patient_ids}
    assert set(bench.nonmember.patient_ids) <= {i for s in bench.sites for i in s.nonmember.patient_ids}


def test_a_part_keeps_each_patients_notes(bench: Bench) -> None:
    tokens = bench.sites[0].member
    some = part(tokens, [4, 1])
    assert some.patient_ids == (tokens.patient_ids[4], tokens.patient_ids[1])
    for new, old in ((0, 4), (1, 1)):
        mine = [some.ids[some.offsets[n] : some.offsets[n + 1]].tolist() for n in np.flatnonzero(some.patients == new)]
        his = [
            tokens.ids[tokens.offsets[n] : tokens.offsets[n + 1]].tolist()
            for n in np.flatnonzero(tokens.patients == old)
        ]
        assert mine == his
    both = joined([part(tokens, [1]), part(tokens, [4])])
    assert both.patient_ids == some.patient_ids[::-1] and both.patients.max() == 1 and both.tokens == some.tokens


def test_a_patient_is_shortened_not_left_out(bench: Bench) -> None:
    tokens = bench.sites[0].member
    short = shortened(tokens, 50)
    lengths = np.bincount(short.patients, np.diff(short.offsets))
    whole = np.bincount(tokens.patients, np.diff(tokens.offsets))
    assert np.array_equal(lengths, np.minimum(whole, 50)) and short.patient_ids == tokens.patient_ids


def test_canaries_are_notes_of_one_patient_each(bench: Bench) -> None:
    tokenizer, tokens = bench.adapted.base.tokenizer, bench.sites[0].member
    found = planted(tokens, bench.canaries, tokenizer)
    assert len(found) - len(tokens) == sum(c.repeats for c in bench.canaries) == (1 + 2 + 4 + 8 + 16)
    assert len(found.patient_ids) - len(tokens.patient_ids) == sum(c.repeats > 0 for c in bench.canaries) == 5
    last = tokenizer.decode(found.ids[found.offsets[-2] : found.offsets[-1]], skip_special_tokens=True)
    assert last == bench.canaries[-1].text and bench.canaries[-1].repeats == 16
    assert planted(tokens, bench.canaries[:1], tokenizer) is tokens  # never planted


def test_a_private_training_is_used_where_it_is_asked_for(bench: Bench) -> None:
    seen: list[tuple[int, int, int]] = []

    def still(learner: LoraLearner, start: Vector, version: int, seed: int) -> Vector:
        seen.append((version, len(learner.train_tokens.patient_ids), seed))
        return start + np.float32(version + 1)

    other = Bench(3, bench.size, private={"dp-fl": still})
    target = other.target(LONG, "dp-fl")
    members = [max(2, len(s.member.patient_ids) // 3) for s in other.sites]
    members[PLANTED] += 5
    assert [(v, p) for v, p, _ in seen] == [(v, p) for v in range(8) for p in members]
    assert len({seed for *_, seed in seen}) == 16
    # the server's rate on the mean of equal updates, version by version: 1.5 * (1 + 2 + ... + 8)
    assert np.allclose(target.released - other.adapted.initial, 1.5 * 36, rtol=1e-5)
    assert len(target.versions) == 2 and np.allclose(target.versions[0] - other.adapted.initial, 1.5 * 10, rtol=1e-5)
    assert other.target(LONG, "dp-fl") is target and len(seen) == 16
