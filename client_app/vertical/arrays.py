"""Arrays as bytes, in envelopes and files, without pickle: numpy's own formats, read with types and shapes checked.

Not for: which arrays there are (``client_app.vertical.learning``).
"""

from __future__ import annotations

import io
import zipfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from client_app.vertical.errors import PartyError
from crossward.machine.files import write_atomic

State = dict[str, NDArray[Any]]
Floats = NDArray[np.float32]
LARGEST = 1e6  # of what parties send each other; embeddings have an L2 norm of vertical.clip, before noise


def to_bytes(array: NDArray[Any]) -> bytes:
    """An array in numpy's format."""
    buffer = io.BytesIO()
    np.save(buffer, array, allow_pickle=False)
    return buffer.getvalue()


def from_bytes(
    data: bytes, what: str, shape: tuple[int | None, int], kind: type[np.generic] = np.float32, missing: bool = False
) -> NDArray[Any]:
    """An array of ``shape`` and type ``kind`` that another party sent; None: of any length.

    Raises
    ------
    PartyError
        it is something else, or holds values that are not finite (NaN may be where ``missing``) or beyond ``LARGEST``.
    """
    try:
        array = np.load(io.BytesIO(data), allow_pickle=False)
    except (ValueError, OSError, EOFError, MemoryError) as error:
        raise PartyError(f"{what} are no array ({type(error).__name__})") from None
    if isinstance(array, np.ndarray) and array.ndim == 2 and shape[0] is None:
        shape = (len(array), shape[1])
    if not isinstance(array, np.ndarray) or array.dtype != kind or array.shape != shape:
        found = f"{array.dtype} {list(array.shape)}" if isinstance(array, np.ndarray) else "several arrays"
        raise PartyError(
            f"{what} are {found}, expected {np.dtype(kind)} {list(shape)}: run one release and one config everywhere"
        )
    if kind is np.float32:
        if np.isinf(array).any() or (not missing and np.isnan(array).any()):
            raise PartyError(f"{what} hold values that are not finite")
        if array.size and np.nanmax(np.abs(array), initial=0.0) > LARGEST:
            raise PartyError(f"{what} hold values beyond {LARGEST:g}, with which no model can be trained")
    return array


def save(path: Path, state: Mapping[str, NDArray[Any]]) -> None:
    """Write named arrays, whole or not at all, readable by this party alone."""
    buffer = io.BytesIO()
    np.savez(buffer, **state)  # type: ignore[arg-type]
    write_atomic(path, buffer.getvalue(), private=True)


def load(path: Path, what: str) -> State:
    """Named arrays that :func:`save` wrote.

    Raises
    ------
    PartyError
        the file is missing or damaged.
    """
    try:
        with path.open("rb") as file, np.load(file, allow_pickle=False) as found:
            return {name: found[name] for name in found.files}
    except (OSError, ValueError, zipfile.BadZipFile, EOFError) as error:
        raise PartyError(
            f"{what} cannot be read from {path} ({type(error).__name__}): this party's state folder must last as long "
            "as the run"
        ) from error
