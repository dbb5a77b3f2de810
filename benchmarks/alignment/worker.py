"""OpenMined's private set intersection, run by an interpreter that has it: one intersection, step by step.

Started by :mod:`benchmarks.alignment`, never imported: its interpreter has ``openmined-psi``, which pins one release of
protobuf, and not this project. Messages are serialised and parsed, as they would travel. The client learns which of
its elements are common; the server learns nothing.
"""

from __future__ import annotations

import importlib.metadata
import json
import sys
import time
from typing import Any

import private_set_intersection.python as psi

FALSE_POSITIVES = 1e-9  # of the compressed structure; RAW has none


def identifiers(party: int, size: int, common: int) -> list[str]:
    """As :func:`benchmarks.alignment.ours.identifiers`."""
    shared = [f"MRN-{number:08}" for number in range(common)]
    return [*shared, *(f"MRN-{party + 1}{number:08}" for number in range(size - common))]


def intersect(size: int, common: int, structure: Any) -> dict[str, Any]:
    """CPU seconds by step, and bytes."""
    ours, theirs = identifiers(0, size, common), identifiers(1, size, common)
    marks = [time.process_time()]

    def mark() -> None:
        marks.append(time.process_time())

    client, server = psi.client.CreateWithNewKey(True), psi.server.CreateWithNewKey(True)
    setup = server.CreateSetupMessage(FALSE_POSITIVES, size, theirs, structure).SerializeToString()
    mark()
    request = client.CreateRequest(ours).SerializeToString()
    mark()
    parsed = psi.Request()
    parsed.ParseFromString(request)
    response = server.ProcessRequest(parsed).SerializeToString()
    mark()
    of_setup, of_response = psi.ServerSetup(), psi.Response()
    of_setup.ParseFromString(setup)
    of_response.ParseFromString(response)
    found = client.GetIntersection(of_setup, of_response)
    mark()
    if len(found) != common:
        raise RuntimeError("OpenMined's intersection is not the intersection")
    names = ("blind", "blind", "raise", "compare")
    steps: dict[str, float] = {}
    for name, begin, end in zip(names, marks, marks[1:], strict=False):
        steps[name] = steps.get(name, 0.0) + end - begin
    return {"cpu": steps, "cpu_s": marks[-1] - marks[0], "bytes": len(setup) + len(request) + len(response)}


def main() -> None:
    """The first argument is JSON: size, common. A line on stdin asks a round."""
    asked = json.loads(sys.argv[1])
    print(json.dumps({"openmined-psi": importlib.metadata.version("openmined-psi")}), flush=True)
    structures = {"raw": psi.DataStructure.RAW, "compressed": psi.DataStructure.GCS}
    for _ in sys.stdin:
        print(json.dumps({name: intersect(asked["size"], asked["common"], one) for name, one in structures.items()}))
        sys.stdout.flush()


if __name__ == "__main__":
    main()
