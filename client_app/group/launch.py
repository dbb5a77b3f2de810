"""Starts a worker group's ranks with torchrun, in this process. Called by the supervisor alone.

The ranks meet through files in the group's private folder: no port is opened for that.

Not for: anything after the start.
"""

from __future__ import annotations

import os
import sys

from client_app.group.lifeline import die_with_parent
from crossward.config.settings import AUTO
from crossward.internals.torch import torchrun_without_port
from crossward.machine.cores import cores


def gpus(device: str) -> int:
    """CUDA devices that ranks may take; 0 when the model is to be on the CPU."""
    import torch

    wanted = device == AUTO or device.startswith("cuda")
    return torch.cuda.device_count() if wanted and torch.cuda.is_available() else 0


def main(argv: list[str]) -> None:
    """``launch ROOM PROCESSES THREADS DEVICE STALL SUPERVISOR``."""
    die_with_parent(int(argv[6]))
    room, processes, threads, device, stall = argv[1], int(argv[2]), int(argv[3]), argv[4], argv[5]
    found = gpus(device)
    count = processes or found or 1
    if found and count > found:
        raise SystemExit(f"node.num-processes = {count}: this machine has {found} CUDA devices, one a process")
    os.environ["OMP_NUM_THREADS"] = str(threads or max(1, cores() // count))
    if sys.platform == "linux":
        os.environ.setdefault("GLOO_SOCKET_IFNAME", "lo")
        os.environ.setdefault("NCCL_SOCKET_IFNAME", "lo")
    if not found:
        os.environ["ACCELERATE_USE_CPU"] = "true"
    torchrun_without_port()(
        [
            "--nnodes=1",
            f"--nproc-per-node={count}",
            "--max-restarts=0",
            "--rdzv-backend=c10d",
            f"--rdzv-endpoint={room}/rendezvous",
            "--rdzv-conf=store_type=file",
            "--rdzv-id=crossward",
            "--module",
            "client_app.group.rank",
            room,
            device,
            stall,
        ]
    )


if __name__ == "__main__":
    main(sys.argv)
