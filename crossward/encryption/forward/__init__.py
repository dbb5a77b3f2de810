"""Encrypted forward: ``z = h W`` for who holds W, without h, and without W for who holds h. Holders only.

Three roles, after the two-party and the third-party protocol of vertical federated learning (EFLS; the arbiter of arXiv
1711.10677): the *embedding holder* encrypts h under the key holder's public key; the *weight holder* multiplies under
encryption, adds a mask and re-randomises; the *key holder* decrypts what is masked; the weight holder takes the mask
off. The key holder is the embedding holder itself, or a third party that colludes with neither::

    from crossward.encryption.forward.fixed_point import FixedPoint
    from crossward.encryption.forward.keys import ForwardKey
    from crossward.encryption.forward.plan import ProductPlan
    from crossward.encryption.forward.product import multiply, open_masked, seal, unmask

    key = ForwardKey.generate()                                       # key holder
    embeddings, weights = FixedPoint(bound=1.0), FixedPoint(bound=4.0)
    plan = ProductPlan(embeddings, weights, rows=n, inner=d, columns=k)
    sealed = seal(key.public, plan, h)                                # embedding holder
    masked, mask = multiply(key.public, plan, sealed, W)              # weight holder
    opened = open_masked(key, plan, masked)                           # key holder
    z = unmask(plan, mask, opened)                                    # weight holder

``h^T dz``, the gradient of W, is the same product of ``h.T`` and ``dz``.

All parties follow the protocol (honest but curious). What the weight holder learns is the product itself, and enough
products of one h are h: :mod:`crossward.encryption.forward.disclosure` counts them. The scheme is Okamoto-Uchiyama by
``sf-heu``, which this package imports on first use.
"""
