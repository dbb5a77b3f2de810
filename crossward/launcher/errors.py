"""What ends a launch early. Not for: a run that failed by itself (see `crossward.launcher.watch.Ending`)."""


class LauncherError(Exception):
    """The launch failed; the text says what was wrong, where, and what to do."""


class Interrupted(BaseException):
    """A signal asked to stop. Not an Exception, so that nothing on the way swallows it."""

    def __init__(self, signum: int) -> None:
        super().__init__(signum)
        self.signum = signum
