"""Additive one-time masks that only a committee of hospitals opens together, and only as sums.

The trust boundary is a file each. Holders only (hospitals): ``boxes``, ``masks``, ``tags``, ``stretch``, ``member``,
``hospital`` (seals) and ``records`` (opens) make, hold or use secrets. For both sides, without secrets:
``fields`` (bytes), ``roster``, ``roster_file``, ``signatures``, ``statements`` (what hospitals signed), ``opening``
(answers, and what the aggregator checks) and ``spelling`` (all of it on the wire). Sums are added by
``crossward.encryption.aggregator.committee``, and ``strategies.opening`` has members asked for their answers. The
construction and its argument are in ``docs/encryption-committee.md``.
"""
