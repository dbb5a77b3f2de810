"""How a vector of integers is packed, sealed, added and opened, part by part.

Two faces that never meet. The holder's (hospitals and the evaluation only): ``holder`` and ``parallel`` seal and open,
``snapshot`` wraps what nobody adds, ``secret``, ``bfv_key`` and ``key*`` are the consortium's key. The
aggregator's (the server): ``aggregator`` adds parts it cannot read. Between them, known to both and secret to
nobody: ``settings`` and ``plan`` (bits), ``packing`` and ``bfv`` (bytes), ``policy`` (which values go where).
``ckks_*`` are the two faces of the HE-FL baseline.

Not for: choosing what to send or how updates are weighted.
"""
