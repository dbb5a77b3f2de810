"""Reading takes memory for pieces, not for files; the imports of the package bring no torch."""

import json
import os
import subprocess
import sys
from pathlib import Path

from data.synthetic.bulk import write_bulk

SCRIPT = """
import re, sys, json
from pathlib import Path
import data.tables
from data import DataConfig, load_hospital
data.tables.BLOCK = 1 << 18  # so that a small file has many pieces
assert "torch" not in sys.modules
# not getrusage: a child inherits the peak of the process that started it
peak = lambda: int(re.search(r"VmHWM:\\s+(\\d+)", Path("/proc/self/status").read_text()).group(1)) / 1024
small = load_hospital(DataConfig(source="mimic-iii", path=sys.argv[1]))
before = peak()
large = load_hospital(DataConfig(source="mimic-iii", path=sys.argv[2]))
print(json.dumps([len(small.train), len(large.train), before, peak()]))
"""


def test_memory_does_not_grow_with_the_file(tmp_path: Path) -> None:
    for name, size in (("small", 2 << 20), ("large", 40 << 20)):
        write_bulk(tmp_path / name, size, seed=1)
    command = [sys.executable, "-c", SCRIPT, str(tmp_path / "small"), str(tmp_path / "large")]
    root = Path(__file__).resolve().parents[2]
    environment = {**os.environ, "PYTHONPATH": str(root)}
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=True)
    small, large, before, after = json.loads(done.stdout.splitlines()[-1])
    assert large > 8 * small
    assert after - before < 45, (before, after)  # MB; 23 as it is, 74 for a reader that holds the 38 MB more of notes
    assert after < 400
