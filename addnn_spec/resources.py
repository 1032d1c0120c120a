"""Files that belong to the package but live beside it in the checkout: grammar, specs, error pages.

A wheel carries them in `addnn_spec/_data`; an editable install finds them in the checkout.
"""

from __future__ import annotations

import re
from functools import cache
from pathlib import Path
from typing import Literal

_PACKAGE = Path(__file__).resolve().parent
_IN_CHECKOUT = {"grammar": "grammar", "specs": "specs", "errors": "docs/errors"}

Folder = Literal["grammar", "specs", "errors"]


def folder(name: Folder) -> Path:
    """Return the folder that holds the grammar, the packaged specs or the error pages."""
    packaged = _PACKAGE / "_data" / name
    return packaged if packaged.is_dir() else _PACKAGE.parent / _IN_CHECKOUT[name]


def error_page(code: str) -> str | None:
    """Return the page of a code in Markdown, or `None` if there is none."""
    if not re.fullmatch(r"[EWN][0-9]{4}", code):
        return None
    page = folder("errors") / f"{code}.md"
    return page.read_text(encoding="utf-8") if page.is_file() else None


def file_inside(root: Path, path: str) -> Path | None:
    """Return the file `path` below `root`, links followed, or None: nothing outside is ever
    given."""
    found = root / path
    try:
        inside = found.is_file() and found.resolve().is_relative_to(root.resolve())
    except (OSError, RuntimeError):  # too long a name, a link to itself
        return None
    return found if inside else None


def find_spec(path: str) -> Path | None:
    """Return a file of the standard library, by its path in `specs/` or its name in any folder
    there."""
    root = folder("specs")
    direct = file_inside(root, path)
    if direct is not None:
        return direct
    if "/" in path:
        return None
    return _by_name(root).get(path)


@cache
def _by_name(root: Path) -> dict[str, Path]:
    """Return the files in the folders of a folder by name; of several of one name the first."""
    return {path.name: path for path in sorted(root.glob("*/*.net"), reverse=True)}
