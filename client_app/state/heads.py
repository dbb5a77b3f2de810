"""The ledger heads that the aggregator sent, kept at the node: ``crossward ledger verify --heads`` looks for each.

Not for: checking them, which takes the ledger (``crossward.ledger.file``).
"""

from __future__ import annotations

import json
import os
from pathlib import Path

from crossward.protocol.messages import Head

FILE = "heads.jsonl"


def keep_head(folder: Path, head: Head, durable: bool = True) -> None:
    """Append a head to the file in ``folder``, which is made."""
    folder.mkdir(parents=True, exist_ok=True)
    with (folder / FILE).open("a", encoding="utf-8") as file:
        file.write(json.dumps({"seq": head.seq, "hash": head.hash}) + "\n")
        file.flush()
        if durable:
            os.fsync(file.fileno())
