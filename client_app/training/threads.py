"""Sharing a machine's cores: as many threads as there are cores for each client that runs at once, no more.

Two clients with two threads each on two cores run ten times slower than with one thread each: OpenMP's
threads spin while they wait. So waiting is made passive before torch is imported, and the number of threads is
the number of cores divided by the number of clients that Ray may run at once. NumPy and SciPy get one thread each:
theirs, OpenBLAS's, always spin, and what is computed with them is small.

Not for: GPUs.
"""

from __future__ import annotations

import os

from crossward.machine.cores import cores

# OpenMP reads these when torch is imported, OpenBLAS its own when NumPy is.
os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")
os.environ.setdefault("GOMP_SPINCOUNT", "0")
os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")
os.environ.setdefault("TOKENIZERS_PARALLELISM", "false")


def concurrent_clients() -> int:
    """How many clients may run at once on this machine: Ray's CPUs over this actor's share of them, else 1."""
    import sys

    ray = sys.modules.get("ray")  # only where Flower's simulation has loaded it
    if ray is None or not ray.is_initialized():
        return 1
    mine = ray.get_runtime_context().get_assigned_resources().get("CPU", 1.0)
    total = ray.cluster_resources().get("CPU", 1.0)
    return max(int(total // max(mine, 1.0)), 1)


def share_cores(threads: int = 0) -> int:
    """Set torch's threads to ``threads``, or to this process's share of the cores; the number set."""
    import torch

    count = threads or max(1, cores() // concurrent_clients())
    if torch.get_num_threads() != count:
        torch.set_num_threads(count)
    return count
