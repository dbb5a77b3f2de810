"""Under which licence a base model comes, as far as its folder says.

Not for: legal advice; a folder without a word about it leaves the question open.
"""

from __future__ import annotations

import re
from pathlib import Path

from crossward.config.model_settings import EMBEDDED

_FIELD = re.compile(r"^(license|license_name|license_link):[ \t]*['\"]?([^'\"\n]+?)['\"]?[ \t]*$", re.MULTILINE)
_FILES = ("LICENSE", "LICENSE.txt", "LICENSE.md", "LICENCE")


def base_licence(name: str, folder: Path) -> str:
    """The licence of the base model ``name`` in ``folder`` as its card names it, e.g. "apache-2.0"; empty if nowhere.

    A card is the ``README.md`` of a hub model, with its fields between two lines of dashes. The embedded model is ours.
    """
    if name == EMBEDDED:
        return "apache-2.0"
    try:
        text = (folder / "README.md").read_text(encoding="utf-8", errors="replace")[:20000]
    except OSError:
        text = ""
    front = text.split("\n---", 1)[0] if text.startswith("---") else ""
    fields = dict(_FIELD.findall(front))
    if found := fields.get("license_name") or fields.get("license"):
        link = f" ({fields['license_link']})" if "license_link" in fields else ""
        return f"{found}{link}"
    return next((f"as in the base model's file {file}" for file in _FILES if (folder / file).is_file()), "")
