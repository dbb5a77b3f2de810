"""The sealing pool: what one process gives, in order, a few parts at a time; and nothing left behind or in sight."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import psutil
import pytest

from crossward.encryption import parallel
from crossward.encryption.aggregator.bfv import BfvArithmetic
from crossward.encryption.parallel import SealingPool, SealingProcessError
from crossward.encryption.plan import FieldPlan

PLAN, SEED = FieldPlan(8, 7, 0), bytes(range(64))
ROOT = Path(__file__).parents[3]


@pytest.fixture(scope="module")
def pool() -> Iterator[SealingPool]:
    """Two processes, however little there is to do."""
    patch = pytest.MonkeyPatch()
    patch.setattr(parallel, "WORTHWHILE", 1)
    with SealingPool("bfv", PLAN, SEED, workers=2) as made:
        yield made
    assert made._pool is None
    patch.undo()


def rows(number: int) -> list[np.ndarray]:
    rng = np.random.default_rng(number)
    return [rng.integers(-127, 128, int(rng.integers(1, 30000))).astype(np.int8) for _ in range(number)]


def processes(pool: SealingPool) -> list[psutil.Process]:
    assert pool._pool is not None
    return [psutil.Process(pid) for pid in pool._pool._processes]


def test_two_processes_give_what_one_gives_in_order(pool: SealingPool) -> None:
    values = rows(11)
    parts = list(pool.seal(values, 1))
    alone = SealingPool("bfv", PLAN, SEED, workers=1)
    assert alone._pool is None and [len(p) for p in parts] == [len(p) for p in alone.seal(values, 1 << 30)]
    jobs = [(part, 8, row.size, 1) for part, row in zip(parts, values, strict=True)]
    for opened in (list(pool.open(jobs, 1)), list(alone.open(jobs, 1 << 30))):
        assert all(o.dtype == np.int64 for o in opened)
        assert all(np.array_equal(o, row) for o, row in zip(opened, values, strict=True))
    assert len(processes(pool)) == 2 and len(set(parts)) == len(parts)


def test_sums_of_extremes_come_back_whole(pool: SealingPool) -> None:
    """They are handed over in as few bits as they need."""
    adder = BfvArithmetic(PLAN)
    for value in (127, -127, 1, 0, -1):
        (part,) = pool.seal([np.full(5, value)], 1)
        total = adder.combine([part], [128], [8], 15, 5)
        assert next(iter(pool.open([(total, 15, 5, 128)], 1))).tolist() == [128 * value] * 5


def test_sums_of_more_than_32_bits_come_back_whole(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(parallel, "WORTHWHILE", 1)
    plan = FieldPlan(24, 12, 0)
    adder = BfvArithmetic(plan)
    with SealingPool("bfv", plan, SEED, workers=2) as pool:
        value = plan.q_max - 100
        (part,) = pool.seal([np.full(5, -value)], 1)
        total = adder.combine([part], [4096], [24], 36, 5)
        assert next(iter(pool.open([(total, 36, 5, 4096)], 1))).tolist() == [-4096 * value] * 5


def test_only_a_few_parts_are_under_way(pool: SealingPool) -> None:
    """However many there are, and however slowly they are taken."""
    asked = 0

    def pieces() -> Iterator[np.ndarray]:
        nonlocal asked
        for _ in range(40):
            asked += 1
            yield np.ones(9, np.int8)

    made = pool.seal(pieces(), 1)
    for taken in range(1, 41):
        next(made)
        assert asked <= min(taken + 2 * pool.workers, 40)
    assert asked == 40 and next(made, None) is None


def test_what_goes_wrong_in_a_worker_is_said_as_if_it_had_gone_wrong_here(pool: SealingPool) -> None:
    with pytest.raises(ValueError, match="exceeds q_max = 127"):
        list(pool.seal([np.array([1]), np.array([128])], 1))
    with pytest.raises(ValueError, match="a sealed part of 9 fields has 5 bytes"):
        list(pool.open([(b"12345", 8, 9, 1)], 1))
    assert len(list(pool.seal(rows(2), 1))) == 2  # and the pool goes on


def test_a_consumer_that_gives_up_leaves_the_pool_usable(pool: SealingPool) -> None:
    made = pool.seal(rows(9), 1)
    next(made)
    made.close()  # type: ignore[attr-defined]
    assert len(list(pool.seal(rows(3), 1))) == 3


def test_the_key_is_in_no_argument_list_and_no_environment(pool: SealingPool) -> None:
    list(pool.seal(rows(2), 1))
    for process in processes(pool):
        seen = Path(f"/proc/{process.pid}/cmdline").read_bytes() + Path(f"/proc/{process.pid}/environ").read_bytes()
        assert b"spawn_main" in seen
        assert not any(text in seen for text in (SEED[:12], SEED.hex().encode()[:20], repr(SEED[:8]).encode()[2:-1]))


def test_the_workers_import_this_package_alone(pool: SealingPool) -> None:
    list(pool.seal(rows(2), 1))
    assert pool._pool is not None
    (found,) = {pool._pool.submit(eval, "' '.join(sorted(__import__('sys').modules))").result()}
    loaded = set(found.split())
    assert not loaded & {"torch", "flwr", "pytest", "client_app", "transformers", "strategies"}
    assert "crossward.encryption.holder" in loaded


def test_a_worker_that_dies_is_an_error_and_leaves_nobody_behind(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(parallel, "WORTHWHILE", 1)
    with SealingPool("bfv", PLAN, SEED, workers=2) as pool:
        made = pool.seal(rows(30), 1)
        next(made)
        running = processes(pool)
        running[0].kill()
        with pytest.raises(SealingProcessError, match="killed for memory"):
            list(made)
    gone, alive = psutil.wait_procs(running, timeout=300)
    assert len(gone) == 2 and not alive


# In a worker: begin a message of 1 GiB on the pipe of results, send one byte of it, and die.
CUT_OFF = (
    "next(i.frame.f_locals['result_queue'] for i in __import__('inspect').stack() if 'result_queue' in "
    "i.frame.f_locals)._writer._send(bytes([64, 0, 0, 0, 1])) or __import__('os').kill(__import__('os').getpid(), 9)"
)


@pytest.mark.timeout(180)
def test_a_worker_that_dies_while_it_sends_a_result_keeps_nobody_waiting(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(parallel, "WORTHWHILE", 1)
    with SealingPool("bfv", PLAN, SEED, workers=2) as pool:
        list(pool.seal(rows(3), 1))
        running = processes(pool)
        assert pool._pool is not None
        pool._pool.submit(eval, CUT_OFF)
        with pytest.raises(SealingProcessError, match="killed for memory"):  # noqa: PT012 - a result may still arrive
            while True:
                list(pool.seal(rows(3), 1))
    assert not psutil.wait_procs(running, timeout=300)[1]
    assert len(list(pool.seal(rows(2), 1))) == 2  # in processes of its own
    pool.__exit__()


def test_the_error_of_a_worker_that_died_says_what_to_do(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(parallel, "WORTHWHILE", 1)
    with SealingPool("bfv", PLAN, SEED, workers=2) as pool:
        made = pool.seal(rows(30), 1)
        next(made)
        processes(pool)[0].kill()
        with pytest.raises(Exception, match=r"encryption\.workers|memory"):
            list(made)


def test_a_program_without_a_main_guard_is_not_run_again(tmp_path: Path) -> None:
    """Spawned processes usually import the program that started them; these must not."""
    program = tmp_path / "program.py"
    program.write_text(
        "import numpy as np\nfrom crossward.encryption import parallel\n"
        "from crossward.encryption.plan import FieldPlan\n"
        "print('main')\nparallel.WORTHWHILE = 1\n"
        "with parallel.SealingPool('bfv', FieldPlan(8, 7, 0), bytes(64), workers=2) as pool:\n"
        "    print(len(list(pool.seal([np.ones(3, np.int8)] * 4, 1))))\n"
        "import sys; print(sys.modules['__main__'].__file__.endswith('program.py'))\n"
    )
    environment = os.environ | {"PYTHONPATH": str(ROOT)}
    done = subprocess.run(
        [sys.executable, str(program)], capture_output=True, text=True, timeout=300, env=environment, check=False
    )
    assert (done.stdout.split(), done.stderr) == (["main", "4", "True"], "")


def test_a_pool_that_was_never_needed_starts_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(parallel, "WORTHWHILE", 1000)
    with SealingPool("bfv", PLAN, SEED, workers=2) as pool:
        assert len(list(pool.seal(rows(3), 999))) == 3
        assert pool._pool is None
