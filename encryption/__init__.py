"""How a vector of integers is packed, added and opened, part by part.

Two faces that never meet: ``encryption.holder`` turns integers into parts and back (hospitals only),
``encryption.aggregator`` adds parts it need not be able to read (the server). ``encryption.plan`` and
``encryption.packing`` are arithmetic that both know.

Not for: choosing what to send or how updates are weighted.
"""
