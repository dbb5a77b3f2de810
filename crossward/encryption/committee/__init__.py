"""Additive one-time masks that only a committee of hospitals opens together, and only as sums.

The trust boundary is a file each. Holders only (hospitals): ``boxes``, ``masks``, ``tags``, ``stretch``, ``member``,
``hospital`` and ``records`` make, hold or use secrets. Known to everybody and secret to nobody: ``fields`` (bytes),
``roster``, ``roster_file``, ``signatures``, ``statements`` (what hospitals signed) and ``spelling`` (all of it on the
wire). The aggregator's: ``opening``. The construction and its argument are in ``docs/encryption-committee.md``.
"""
