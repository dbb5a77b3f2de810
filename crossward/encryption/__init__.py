"""How a vector of integers is packed, sealed, added and opened, part by part.

Two faces that never meet. The holder's (hospitals and the evaluation only): ``holder`` and ``parallel`` seal and open,
``snapshot`` wraps what nobody adds, ``secret``, ``bfv_key`` and ``key*`` are the consortium's key. The
aggregator's (the server): ``aggregator`` adds parts it cannot read. Between them, known to both and secret to
nobody: ``settings`` and ``plan`` (bits), ``packing``, ``bfv`` and ``ckks`` (bytes), ``policy`` (which values go where)
and ``schemes``, which says of every encryption scheme what depends on it and names its two faces.

Not for: choosing what to send or how updates are weighted.
"""
