"""The one spelling of every message and every setting that both sides share.

Not for: what is done with a message. The server's answers live in ``strategies``, the node's in
``client_app``. This package holds names, types, versions and checks only, so that a reader can see
in one place everything that crosses the trust boundary.
"""
