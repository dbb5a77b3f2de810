"""Ways to make a personal adapter of the global one, by the name that ``personal.method`` takes.

    made = PERSONAL_METHODS["fine-tune"](trainer, Given(global_adapter, alone, steps, peak, seed))

To add one: a function in a module beside, an entry here, and its name in ``crossward.config.personal_settings``.

Not for: where the adapter is kept (``client_app.node``).
"""

from __future__ import annotations

from collections.abc import Callable

from client_app.personal.fine_tune import fine_tune
from client_app.personal.result import Personal
from client_app.personal.trainer import Given, Trainer
from crossward.config.personal_settings import FINE_TUNE

Method = Callable[[Trainer, Given], Personal]

PERSONAL_METHODS: dict[str, Method] = {FINE_TUNE: fine_tune}
