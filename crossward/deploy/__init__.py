"""Crossward across clouds: certificates and keys, a SuperLink that comes back, a hospital's SuperNode that comes back.

Two parties, two files: ``aggregator.toml`` (``crossward.deploy.aggregator``) and each hospital's ``hospital.toml``
(``crossward.deploy.hospital``). Nothing here runs inside the Flower app.

Not for: simulations (``crossward.launcher``), or what a run does (``server_app``, ``client_app``).
"""
