"""Finds what is used of a package's internals, or says which release differs, in what, and what to do."""

from __future__ import annotations

import importlib
import importlib.metadata
import inspect
import platform
import warnings
from dataclasses import dataclass
from pathlib import Path
from typing import Any

PYTHON = "Python"


class InternalsError(RuntimeError):
    """A package's internals differ from those that Crossward was written for."""

    tellable = True  # see client_app.guard.refusals


@dataclass(frozen=True)
class Dependency:
    """A package whose internals are used, the release (``1.42``) they were read in, and the module that uses them."""

    package: str
    written_for: str
    module: str

    @property
    def installed(self) -> str:
        """The installed version; "unknown" where the package has no metadata."""
        if self.package == PYTHON:
            return platform.python_version()
        try:
            return importlib.metadata.version(self.package)
        except importlib.metadata.PackageNotFoundError:
            return "unknown"

    def differs(self, what: str) -> InternalsError:
        """The error that says ``what`` differs in the installed version, and what to do."""
        return InternalsError(
            f"{self.package} {self.installed}: {what}. {self.module} was written for {self.package} "
            f"{self.written_for}: install that version (`make install`), or adapt the module"
        )

    def require(self, path: str, *parameters: str) -> Any:
        """What ``path`` (``package.module:Class.attribute``) names, which takes ``parameters`` if it is called.

        Raises
        ------
        InternalsError
            it does not exist, or a parameter is missing.
        """
        module, _, names = path.partition(":")
        try:
            found: Any
            with warnings.catch_warnings():  # deprecations among a package's own dependencies
                warnings.simplefilter("ignore")
                found = importlib.import_module(module)
            for name in names.split(".") if names else ():
                found = getattr(found, name)
        except (ImportError, AttributeError) as error:
            raise self.differs(f"{path.replace(':', '.')} does not exist ({error})") from error
        if missing := set(parameters) - set(inspect.signature(found).parameters if parameters else ()):
            raise self.differs(f"{path.replace(':', '.')} takes no {', '.join(sorted(missing))}")
        return found

    def require_set(self, path: str, *attributes: str) -> None:
        """Check that the ``__init__`` of the class at ``path`` sets ``attributes``; raises as :meth:`require`."""
        named = self.require(path).__init__.__code__.co_names
        if missing := set(attributes) - set(named):
            raise self.differs(f"{path.replace(':', '.')} has no {', '.join(sorted(missing))}")

    def require_text(self, file: str, *texts: str) -> None:
        """Check that ``file`` of the package's source contains ``texts``, without importing it.

        ``file`` is a path from the folder that packages are installed in.

        Raises
        ------
        InternalsError
            there is no such file, or a text is not in it.
        """
        try:
            source = Path(str(importlib.metadata.distribution(self.package).locate_file(file))).read_text("utf-8")
        except (OSError, ValueError, importlib.metadata.PackageNotFoundError) as error:
            raise self.differs(f"{file} cannot be read ({error})") from error
        if missing := [text for text in texts if text not in source]:
            raise self.differs(f"{file} does not contain {', '.join(map(repr, missing))}")
