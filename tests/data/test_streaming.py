"""Reading takes memory for pieces, not for files; the imports of the package bring no torch.

What Arrow allocated is counted, as a process's resident memory depends on how busy the machine is.
"""

import json
import os
import subprocess
import sys
from pathlib import Path

from data.synthetic.bulk import write_bulk

SCRIPT = """
import json, sys
import pyarrow
import data.csv_files
from data import DataConfig, load_hospital
data.csv_files.BLOCK = 1 << 18  # so that a small file has many pieces
assert "torch" not in sys.modules
peaks = []
for path in sys.argv[1:]:
    hospital = load_hospital(DataConfig(source="mimic-iii", path=path))
    peaks.append(pyarrow.default_memory_pool().max_memory() / 2**20)
print(json.dumps([len(hospital.train), *peaks]))
"""


def test_memory_does_not_grow_with_the_file(tmp_path: Path) -> None:
    for name, size in (("small", 2 << 20), ("large", 24 << 20)):
        write_bulk(tmp_path / name, size, seed=1)
    command = [sys.executable, "-c", SCRIPT, str(tmp_path / "small"), str(tmp_path / "large")]
    root = Path(__file__).resolve().parents[2]
    environment = {**os.environ, "PYTHONPATH": str(root)}
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=True)
    notes, small, large = json.loads(done.stdout.splitlines()[-1])
    assert notes > 8_000
    assert large < small + 12, "MB that Arrow held at most; a reader that kept its pieces would hold 22 MB more"
