"""Everything that depends on the internals of other packages, one module for each package.

A module names the version that it was written for, checks what it changes or calls before it does so, and raises
:class:`~crossward.internals.check.InternalsError` where a release differs. Nothing is imported before it is needed, so
that the aggregator does not load a key holder's libraries and no process loads more than it uses.

SEAL's byte layout is not here: ``crossward.encryption.bfv``, ``crossward.encryption.ckks`` and
``crossward.encryption.key_format`` are built on it, and check it themselves whenever a context is made or a key is
read.
"""
