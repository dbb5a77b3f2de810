"""Every encryption scheme seals, adds and opens exactly what its entry says, by its own side's module alone."""

from __future__ import annotations

import subprocess
import sys
from dataclasses import fields, replace

import numpy as np
import pytest

from crossward.config.encryption_schemes import BFV, CKKS, SCHEMES, simulation_key_name
from crossward.config.encryption_settings import EncryptionSettings
from crossward.encryption.aggregator import arithmetic
from crossward.encryption.holder import key_material, sealer
from crossward.encryption.key_file import simulation_key
from crossward.encryption.key_format import ConsortiumKey
from crossward.encryption.plan import PRESETS, FieldPlan, PlanError
from crossward.encryption.secret import Secret
from crossward.encryption.settings import field_plan

PLAN = PRESETS["balanced"]


@pytest.fixture(scope="module", params=[name for name, scheme in SCHEMES.items() if not scheme.committee])
def scheme(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture(scope="module")
def key(scheme: str, tmp_path_factory: pytest.TempPathFactory) -> ConsortiumKey:
    return simulation_key(tmp_path_factory.mktemp("keys"), scheme)[0]


def test_a_weighted_sum_opens_to_the_integers(scheme: str, key: ConsortiumKey) -> None:
    holder = sealer(scheme, PLAN, key_material(scheme, key, key.current))
    kinds = arithmetic(PLAN, "all", scheme)
    assert set(kinds) == {scheme} == {holder.kind}
    adder, weights, count = kinds[scheme], [5, 1, 30], min(holder.chunk, 1000)
    rng = np.random.default_rng(1)
    values = [rng.integers(-PLAN.q_max, PLAN.q_max + 1, count) for _ in weights]
    parts = [holder.seal(v) for v in values]
    assert all(adder.check(part, PLAN.update_bits, count) == "" for part in parts)
    assert adder.check(parts[0][:-1], PLAN.update_bits, count)
    bits, made_of = PLAN.sum_bits(1), [PLAN.update_bits] * len(parts)
    total = adder.combine(parts, weights, made_of, bits, count)
    expected = sum(w * v for w, v in zip(weights, values, strict=True))
    assert np.array_equal(holder.open(total, bits, count, sum(weights)), expected)
    two = adder.combine([total, total], [1, 1], [bits, bits], PLAN.sum_bits(2), count)
    assert np.array_equal(holder.open(two, PLAN.sum_bits(2), count, 2 * sum(weights)), 2 * expected)


@pytest.mark.parametrize("scheme", [BFV, CKKS])
def test_a_plan_whose_sums_would_not_be_exact_is_refused(scheme: str) -> None:
    wide = EncryptionSettings(scheme=scheme, plan="20,20,16")
    with pytest.raises(PlanError, match="guard"):
        field_plan(wide, 4, 3)
    assert field_plan(replace(wide, policy="none"), 4, 3)


def test_material_of_an_earlier_secret_is_held_unless_it_is_a_context(scheme: str, key: ConsortiumKey) -> None:
    rotated = ConsortiumKey(Secret.generate(), key.secrets, key.ckks)
    earlier = key_material(scheme, rotated, key.current)
    assert earlier == (b"" if SCHEMES[scheme].has_context else key_material(scheme, key, key.current))
    assert key_material(scheme, rotated, rotated.current)


def test_the_side_that_adds_loads_nothing_that_could_open(scheme: str) -> None:
    code = (
        "import sys\nfrom crossward.encryption.aggregator import arithmetic\n"
        "from crossward.encryption.plan import PRESETS\n"
        "assert sys.argv[1] in arithmetic(PRESETS['compact'], 'all', sys.argv[1])\n"
        "print(*(m for m in sys.modules if m.startswith('crossward.encryption')))"
    )
    done = subprocess.run([sys.executable, "-c", code, scheme], capture_output=True, text=True, check=True)
    loaded = done.stdout.split()
    assert "crossward.encryption.aggregator" in loaded
    assert not [m for m in loaded if "holder" in m or "key" in m or "secret" in m]


def test_settings_offer_the_registrys_schemes() -> None:
    meta = next(f.metadata for f in fields(EncryptionSettings) if f.name == "scheme")
    assert meta["choices"] == tuple(SCHEMES)


def test_schemes_with_a_context_have_a_simulation_key_of_their_own() -> None:
    names = [simulation_key_name(name) for name, scheme in SCHEMES.items() if scheme.has_context]
    assert len({*names, "simulation.key"}) == len(names) + 1


def test_auto_weighs_plans_by_what_the_scheme_takes(monkeypatch: pytest.MonkeyPatch) -> None:
    def least_for_five(value_bits: int, weight_bits: int, guard_bits: int) -> tuple[float, float]:
        return 1.0, 1.0 + abs(guard_bits - 5)

    assert field_plan(EncryptionSettings(scheme=BFV), 4, 3) == FieldPlan(8, 6, 1)
    monkeypatch.setitem(SCHEMES, "bfv", replace(SCHEMES["bfv"], bytes_per_value=least_for_five))
    assert field_plan(EncryptionSettings(scheme=BFV), 4, 3) == FieldPlan(8, 8, 5)
