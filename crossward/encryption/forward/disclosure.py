"""How much of a matrix its products reveal: with as many of them as it has columns, all of it.

The weight holder learns ``z = h W`` by design. Each column of W is one linear equation on every row of h: after d
independent ones, over however many exchanges, h [n, d] follows by elimination. The same holds of ``h^T dz``: after n
columns of dz, all of h. Below that, what is orthogonal to the columns used stays unknown *as far as algebra goes*; what
statistics guess of it from the rest is another matter.

The embedding holder, or the key holder for it, counts the columns and stops in time. Updated embeddings of the same
patients are close to the old ones, so a new matrix starts no new count.
"""

from __future__ import annotations

from dataclasses import dataclass

from crossward.encryption.forward.library import ForwardError

HALF = 0.5


@dataclass(frozen=True)
class Disclosure:
    """``spent`` columns of products have been opened of a matrix with ``inner`` columns; ``share`` of them may be."""

    inner: int
    share: float = HALF
    spent: int = 0

    def __post_init__(self) -> None:
        if self.inner < 1 or self.spent < 0 or not 0.0 < self.share < 1.0:
            raise ForwardError(
                f"disclosure of {self.spent} of {self.inner} columns, at most {self.share:g} of them: expected at "
                "least 1 column, and a share between 0 and 1, both excluded, for with all of them nothing is hidden"
            )

    @property
    def most(self) -> int:
        """Columns that may be opened in all."""
        return int(self.inner * self.share)

    def after(self, columns: int) -> Disclosure:
        """The count once ``columns`` more are opened.

        Raises
        ------
        ForwardError
            they are more than may be.
        """
        if columns < 1:
            raise ForwardError(f"{columns} columns were to be opened; expected 1 or more")
        if self.spent + columns > self.most:
            raise ForwardError(
                f"{columns} more products would open {self.spent + columns} of {self.inner} dimensions of the "
                f"embeddings, and {self.most} are allowed: use wider embeddings, a narrower top or fewer exchanges"
            )
        return Disclosure(self.inner, self.share, self.spent + columns)
