"""``crossward deploy health FILE.toml``: a health check for Docker and Kubernetes.

Of an aggregator it asks the SuperLink, of a hospital the SuperNode's port on the loopback, which is there also while
the aggregator is not: a hospital that waits is not ill.

Not for: finding out what is wrong (``crossward.deploy.checks``), or starting things again
(``crossward.deploy.keeper``).
"""

from __future__ import annotations

import http.client
from pathlib import Path

from crossward.deploy.aggregator import AggregatorConfig, healthy
from crossward.deploy.files import read_table
from crossward.deploy.hospital import HospitalConfig
from crossward.machine.text import TextError, read_toml

PATIENCE = 5.0  # seconds


def answers(path: Path) -> tuple[bool, str]:
    """Whether it answers, and who was asked.

    Raises
    ------
    DeployError
        the file cannot be read.
    """
    if is_hospital(path):
        hospital, _ = read_table(HospitalConfig, path, "node-config")
        return _listens(hospital.port), f"the SuperNode on 127.0.0.1:{hospital.port}"
    aggregator, _ = read_table(AggregatorConfig, path)
    return healthy(aggregator, PATIENCE), f"the SuperLink on {aggregator.own_address}"


def is_hospital(path: Path) -> bool:
    """Whether ``path`` is a hospital's configuration file, or else an aggregator's."""
    try:
        return "superlink" in read_toml(path)
    except TextError:
        return False  # read_table says what is wrong


def _listens(port: int) -> bool:
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=PATIENCE)
    try:
        connection.request("GET", "/health")
        return connection.getresponse().status == 200
    except (OSError, http.client.HTTPException):
        return False
    finally:
        connection.close()
