"""``python -m client_app.group FOLDER NAME``: a worker group's supervisor. Started by the first message, not by people.

Not for: options; they are in FOLDER/options.json.
"""

from __future__ import annotations

import asyncio
import json
import sys
from pathlib import Path

from client_app.group.place import Options
from client_app.group.supervisor import REPLACED, Supervisor


def main(argv: list[str]) -> int:
    """Serve until there is a reason not to."""
    folder, name = Path(argv[1]), argv[2]
    given = json.loads((folder / "options.json").read_text(encoding="utf-8"))
    if given.pop("name") != name:
        print(REPLACED, flush=True)
        return 0
    pid, created = given.pop("owner")
    print(asyncio.run(Supervisor(folder, name, Options(**given), (pid, created)).serve()), flush=True)
    return 0


if __name__ == "__main__":
    raise SystemExit(main(sys.argv))
