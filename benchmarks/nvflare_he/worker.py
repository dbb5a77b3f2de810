"""NVFlare's own homomorphic encryption, run by an interpreter that has NVFlare: one round of its HE FedAvg, timed.

Started by :mod:`benchmarks.nvflare_he`, never imported: its interpreter has ``nvflare``, ``tenseal`` and NumPy, not
this project. What runs is NVFlare's: its provisioning makes and signs the TenSEAL contexts (``HEBuilder``, its
defaults), each object is the one that ``FedAvgRecipeWithHE`` puts at that place, entered as its runtime enters it
(``process``, ``accept``, ``aggregate``), and messages are bytes of its own serialiser, FOBS. What is left out is its
runtime between them: processes, channels, disk.

A client's weight is its number of local iterations, multiplied in before encryption, as that recipe does.

Not for: choosing sizes, printing tables, comparing.
"""

from __future__ import annotations

import importlib.metadata
import json
import logging
import sys
import tempfile
import time
from collections import defaultdict
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
from nvflare.apis.dxo import DXO, DataKind, MetaKey, from_shareable
from nvflare.apis.event_type import EventType
from nvflare.apis.fl_constant import FLContextKey, ReservedKey
from nvflare.apis.fl_context import FLContext
from nvflare.app_common.abstract.model import make_model_learnable
from nvflare.app_common.app_constant import AppConstants
from nvflare.app_opt.he.intime_accumulate_model_aggregator import HEInTimeAccumulateWeightedAggregator
from nvflare.app_opt.he.model_decryptor import HEModelDecryptor
from nvflare.app_opt.he.model_encryptor import HEModelEncryptor
from nvflare.app_opt.he.model_shareable_generator import HEModelShareableGenerator
from nvflare.fuel.sec.security_content_service import SecurityContentService
from nvflare.fuel.utils import fobs
from nvflare.lighter.impl.cert import CertBuilder
from nvflare.lighter.impl.he import HEBuilder
from nvflare.lighter.impl.signature import SignatureBuilder
from nvflare.lighter.impl.static_file import StaticFileBuilder
from nvflare.lighter.impl.workspace import WorkspaceBuilder
from nvflare.lighter.provisioner import Provisioner
from nvflare.lighter.spec import Project

SERVER, CLIENT = "localhost", "site-1"


def provision(folder: Path) -> dict[str, Path]:
    """Startup kits of a server and a client with NVFlare's provisioning: name -> folder of signed contents."""
    project = Project("bench", "one round of HE FedAvg", props={"api_version": 4})
    project.set_server(SERVER, "bench", {"fed_learn_port": 8002, "admin_port": 8003})
    project.add_client(CLIENT, "bench", {})
    builders = [
        WorkspaceBuilder(),
        StaticFileBuilder(),
        CertBuilder(),
        HEBuilder(),
        SignatureBuilder(),
    ]
    context = Provisioner(str(folder), builders).provision(project)
    made = Path(context.get_result_location())
    return {name: made / name / "startup" for name in (SERVER, CLIENT)}


def started(component: Any, kit: Path, context: FLContext) -> Any:
    """``component`` after the event that starts a run, with a kit's signed contents at hand."""
    SecurityContentService.security_content_manager = None  # one process is server and client here
    SecurityContentService.initialize(content_folder=str(kit))
    component.handle_event(EventType.START_RUN, context)
    return component


def fl_context(name: str, peer: str) -> FLContext:
    """What a component is told of the run: who it is, and who is at the other end."""
    found, other = FLContext(), FLContext()
    found.set_prop(FLContextKey.SECURE_MODE, True, private=True, sticky=False)
    found.set_prop(ReservedKey.IDENTITY_NAME, name, private=False, sticky=False)
    found.set_prop(AppConstants.CURRENT_ROUND, 0, private=True, sticky=False)
    other.set_prop(ReservedKey.IDENTITY_NAME, peer, private=False, sticky=False)
    found.set_peer_context(other)
    return found


class Watch:
    """Seconds by step."""

    def __init__(self) -> None:
        self.seconds: defaultdict[str, float] = defaultdict(float)

    def time(self, name: str, work: Callable[..., Any], *arguments: Any) -> Any:
        """What ``work`` gives; its time is added to ``name``'s."""
        began = time.perf_counter()
        result = work(*arguments)
        self.seconds[name] += time.perf_counter() - began
        return result


def one_round(kits: dict[str, Path], deltas: list[np.ndarray], weights: list[int], tensors: int) -> dict[str, Any]:
    """Every client encrypts, the server adds and answers, one client decrypts: seconds, bytes, the largest error.

    ``deltas`` are float32 [n] each, sent as ``tensors`` tensors of about the same size. ``up_bytes`` are one client's;
    ``context_bytes`` of them are TenSEAL contexts, which NVFlare's serialiser writes with every encrypted tensor. The
    error is of the weighted mean.
    """
    watch, site, server = Watch(), fl_context(CLIENT, SERVER), fl_context(SERVER, CLIENT)
    encryptor = started(HEModelEncryptor(weigh_by_local_iter=True), kits[CLIENT], site)
    decryptor = started(HEModelDecryptor(), kits[CLIENT], site)
    aggregator = HEInTimeAccumulateWeightedAggregator(expected_data_kind=DataKind.WEIGHTS, weigh_by_local_iter=False)
    started(aggregator, kits[SERVER], server)
    generator = started(HEModelShareableGenerator(), kits[SERVER], server)
    server.set_prop(AppConstants.GLOBAL_MODEL, make_model_learnable({"none": np.zeros(1)}, {}))

    up_bytes = context_bytes = 0
    for number, (delta, weight) in enumerate(zip(deltas, weights, strict=True)):
        named = {f"t{i}": part for i, part in enumerate(np.array_split(delta, tensors))}
        clear = DXO(DataKind.WEIGHTS, data=named, meta={MetaKey.NUM_STEPS_CURRENT_ROUND: weight}).to_shareable()
        sealed = watch.time("encrypt", encryptor.process, clear, site)
        data = watch.time("pack", fobs.dumps, sealed)
        up_bytes = len(data)
        context_bytes = sum(len(tensor.context().serialize()) for tensor in from_shareable(sealed).data.values())
        came = watch.time("unpack", fobs.loads, data)
        came.set_peer_props({ReservedKey.IDENTITY_NAME: f"site-{number + 1}"})
        came.add_cookie(AppConstants.CONTRIBUTION_ROUND, 0)
        if not watch.time("aggregate", aggregator.accept, came, server):
            raise RuntimeError(f"NVFlare's aggregator refused client {number + 1}'s update")
    summed = watch.time("aggregate", aggregator.aggregate, server)
    model = watch.time("aggregate", generator.shareable_to_learnable, summed, server)
    answer = watch.time("pack_down", generator.learnable_to_shareable, model, server)
    down = watch.time("pack_down", fobs.dumps, answer)
    came = watch.time("unpack_down", fobs.loads, down)
    opened = from_shareable(watch.time("decrypt", decryptor.process, came, site)).data

    found = np.concatenate([np.asarray(opened[f"t{i}"]) for i in range(tensors)])
    exact = sum(w * d.astype(np.float64) for w, d in zip(weights, deltas, strict=True)) / sum(weights)
    return {
        "up_bytes": up_bytes,
        "context_bytes": context_bytes,
        "down_bytes": len(down),
        "max_error": float(np.abs(found - exact).max()),
        "seconds": watch.seconds,
    }


def say(answer: Any) -> None:
    """A line that :mod:`benchmarks.nvflare_he` finds among what NVFlare and TenSEAL print."""
    print("answer", json.dumps(answer), flush=True)


def main() -> None:
    """The first argument is JSON: values, clients, weights, tensors (a list), spread. A line on stdin asks a round."""
    asked = json.loads(sys.argv[1])
    logging.disable(logging.CRITICAL)  # it logs every step, and that no engine is there to hear of events
    rng = np.random.default_rng(0)
    deltas = [rng.normal(0.0, asked["spread"], asked["values"]).astype(np.float32) for _ in range(asked["clients"])]
    with tempfile.TemporaryDirectory() as folder:
        kits = provision(Path(folder))
        say({name: importlib.metadata.version(name) for name in ("nvflare", "tenseal")})
        for _ in sys.stdin:
            say({tensors: one_round(kits, deltas, asked["weights"], tensors) for tensors in asked["tensors"]})


if __name__ == "__main__":
    main()
