"""The schemas of `rank --json` and `confidence --json` say what their records hold, no more."""

from __future__ import annotations

import json
from typing import Any

from pydantic import TypeAdapter

from addnn_spec.ranking.prediction_guarantee import Certainty, ErrorBounds
from addnn_spec.ranking.ranking_record import Ranking
from tests.cli.test_json import SCHEMAS
from tests.goldens import Golden


def plain(schema: Any) -> Any:
    """Return it without the titles that repeat names, descriptions on one line."""
    if isinstance(schema, list):
        return [plain(each) for each in schema]
    if not isinstance(schema, dict):
        return schema
    kept = {k: plain(v) for k, v in schema.items() if k != "title" or isinstance(v, dict)}
    if isinstance(kept.get("description"), str):
        kept["description"] = " ".join(kept["description"].split())
    return kept


def text_of(schema: dict[str, Any], command: str, **more: str) -> str:
    head = {"$schema": "https://json-schema.org/draft/2020-12/schema",
            "title": f"addnn {command} --json", **more}  # fmt: skip
    return json.dumps(head | plain(schema), indent=2, ensure_ascii=False) + "\n"


def test_rank(golden: Golden) -> None:
    golden.check(SCHEMAS / "rank.schema.json", text_of(Ranking.model_json_schema(), "rank"))


def test_confidence(golden: Golden) -> None:
    either: TypeAdapter[Certainty | ErrorBounds] = TypeAdapter(Certainty | ErrorBounds)
    text = text_of(
        either.json_schema(),
        "confidence",
        description="For labels what can be guaranteed at a node, for targets how far a "
        "prediction may be off.",
    )
    golden.check(SCHEMAS / "confidence.schema.json", text)
