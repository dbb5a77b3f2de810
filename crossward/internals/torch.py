"""torchrun without a TCP port for its rendezvous."""

from __future__ import annotations

import os
from collections.abc import Callable

from crossward.internals.check import Dependency

TORCH = Dependency("torch", "2.13", __name__)


def torchrun_without_port() -> Callable[[list[str]], None]:
    """The function behind ``torchrun``, once this process's environment keeps it from opening a port.

    Raises
    ------
    InternalsError
        this torch does not read that environment variable.
    """
    os.environ["TORCH_DISABLE_SHARE_RDZV_TCP_STORE"] = "1"
    rendezvous = "torch.distributed.elastic.rendezvous.dynamic_rendezvous:DynamicRendezvousHandler"
    handler = TORCH.require(rendezvous)
    if TORCH.require(f"{rendezvous}.use_agent_store").fget(object.__new__(handler)):
        raise TORCH.differs("its rendezvous does not read TORCH_DISABLE_SHARE_RDZV_TCP_STORE")
    torchrun: Callable[[list[str]], None] = TORCH.require("torch.distributed.run:main", "args")
    return torchrun
