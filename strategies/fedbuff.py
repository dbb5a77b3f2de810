"""FedBuff (arXiv 2106.06639): a buffer of K updates, each scaled by its own (1+s)^-0.5, through AsyncHybrid's code.

K is ``strategy.buffer-size``. Weights are by examples (``crossward.config.weight_rules``). With the article's secure
aggregation a trusted enclave adds the buffer; here encrypted updates are added as AsyncHybrid's are.

Not for: a buffer of one (``strategies.fedasync``).
"""

from __future__ import annotations

from strategies.async_hybrid import AsyncHybrid


class FedBuff(AsyncHybrid):
    """Buffered asynchronous aggregation. Parameters as for AsyncHybrid."""
