"""torchrun without a TCP port for its rendezvous, and oneDNN's product of float32 matrices."""

from __future__ import annotations

import functools
import os
from collections.abc import Callable
from typing import TYPE_CHECKING

from crossward.internals.check import Dependency

if TYPE_CHECKING:
    from torch import Tensor

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


@functools.cache
def onednn_linear() -> Callable[[Tensor, Tensor, Tensor | None], Tensor]:
    """``torch.nn.functional.linear`` by oneDNN, for float32 on a CPU; it has no gradient of its own.

    Raises
    ------
    InternalsError
        this torch has no such operation, or it takes other arguments.
    """
    operation = TORCH.require("torch:ops.mkldnn._linear_pointwise")
    arguments = [argument.name for argument in operation.default._schema.arguments]
    if arguments != ["X", "W", "B", "attr", "scalars", "algorithm"]:
        raise TORCH.differs(f"mkldnn::_linear_pointwise takes {', '.join(arguments)}")
    return lambda states, weight, bias: operation(states, weight, bias, "none", [], "")
