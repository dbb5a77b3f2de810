"""``crossward watch`` and ``crossward report``: what a run's hospitals or parties are doing, and its report.

Not for: how either is drawn (``crossward.report``) or served (``crossward.report.serve``).
"""

from __future__ import annotations

import sys
from typing import Annotated

import typer

from crossward.cli.common import CommandError, RunFolder, example, failing, say


def _advise(line: str) -> None:
    print(line, file=sys.stderr, flush=True)


def watch(
    folder: RunFolder,
    once: Annotated[bool, typer.Option("--once", help="Print the view once, as plain text.")] = False,
    serve: Annotated[bool, typer.Option("--serve", help="Serve the live report as a web page on 127.0.0.1.")] = False,
    port: Annotated[
        int | None,
        typer.Option(min=0, max=65535, metavar="N", help="Port of the page, 0 for a free one (default: 0)."),
    ] = None,
) -> int:
    """Show what every hospital or party of a run is doing, until the run has finished.

    A simulated run is shown with exact training losses. Other users of this machine can open the page of --serve.
    """
    from crossward.launcher.views import local_losses
    from crossward.ledger.file import LedgerError
    from crossward.report.svg import clean

    if port is not None and not serve:
        raise typer.BadParameter("--port needs --serve")
    if once and serve:
        raise typer.BadParameter("--once and --serve cannot be combined")
    try:
        exact = local_losses(folder, _advise)
        if serve:
            from crossward.report.serve import serve_report

            serve_report(folder, exact, port or 0, say)
        else:
            from crossward.report.views import views_of
            from crossward.report.watch.follow import show

            show(views_of(folder).follow(folder, exact), once)
    except (LedgerError, OSError) as error:
        raise CommandError(clean(error, 500)) from error
    return 0


def report(folder: RunFolder) -> int:
    """Draw a run's report.html again, also while the run is under way."""
    from crossward.config.settings import SettingsError
    from crossward.launcher.views import local_losses
    from crossward.ledger.file import LedgerError
    from crossward.report.views import write_report
    from server_app.run_folder import RunFolderError

    with failing(RunFolderError, LedgerError, SettingsError, OSError):
        say(str(write_report(folder, local_losses(folder, _advise))))
    return 0


def add_to(app: typer.Typer) -> None:
    """Add the commands to ``app``."""
    app.command(epilog=example("crossward watch runs/20261130T082138Z-91350b --serve --port 8080"))(watch)
    app.command(epilog=example("crossward report runs/20261130T082138Z-91350b"))(report)
