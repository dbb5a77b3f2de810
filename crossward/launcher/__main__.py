"""``python -m crossward.launcher``: a simulated run, or with ``watch`` or ``report`` first a view of one."""

import sys

from crossward.launcher.cli import main
from crossward.launcher.views import VIEWS

raise SystemExit(VIEWS[sys.argv[1]](sys.argv[2:]) if sys.argv[1:2] and sys.argv[1] in VIEWS else main())
