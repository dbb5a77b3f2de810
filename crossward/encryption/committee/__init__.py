"""Additive one-time masks that only a committee of hospitals opens together, and only as sums: not yet used by runs.

The trust boundary is a file each. Holders only (hospitals): ``boxes``, ``masks``, ``tags``, ``stretch``, ``member`` and
``hospital`` make, hold or use secrets. Known to everybody and secret to nobody: ``fields`` (bytes), ``roster``,
``roster_file``, ``signatures`` and ``statements`` (what hospitals signed). The aggregator's: ``opening``. The
construction and its argument are in ``docs/encryption-committee.md``.
"""
