"""The JSON that commands write: an object with the version of its form, described in docs/json."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

SCHEMA = 1
"""Changes where a field is renamed, removed, or comes to mean something else."""


def json_text(data: Mapping[str, Any]) -> str:
    """Return the data with `schema` as a JSON text."""
    return json.dumps({"schema": SCHEMA, **data}, indent=2) + "\n"
