"""Options of a probe: one list for Python, the command line and the record."""

from __future__ import annotations

import re
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import pytest

import addnn_spec
from addnn_spec.cli.probe import probe
from addnn_spec.diagnostics import Refusal
from addnn_spec.ranking.rank import OPTIONS
from addnn_spec.runtime.run_record import OptionsRecord
from addnn_spec.runtime.settings import Settings, settings_of
from tests.goldens import Golden

KEYWORDS = Path(addnn_spec.__file__).parent / "runtime" / "keywords.py"
HEAD = '''\
"""The keyword arguments of `probe` and `rank`, written from `settings.py`:
`pytest --update-golden tests/runtime/test_settings.py`."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal, TypedDict
'''


def test_the_command_line_has_every_option_by_its_name() -> None:
    options = {option.name: option for option in probe.params}
    assert set(Settings.model_fields) <= set(options)
    for name in Settings.model_fields:
        assert options[name].opts == [f"--{name}"]
    context = probe.make_context("probe", ["Digits", "--data", "digits"])
    given = {name: context.params[name] for name in Settings.model_fields}
    assert settings_of(given) == Settings()


def test_the_record_keeps_every_option() -> None:
    assert set(Settings.model_fields) < set(OptionsRecord.model_fields)


@pytest.mark.parametrize(
    ("options", "told"),
    [
        ({"oder": 2}, "there is no option oder\n  = help: did you mean order"),
        ({"order": 0}, "order cannot be 0\n  = Input should be greater than or equal to 1"),
        ({"order": "2"}, "order cannot be '2'"),
        ({"ties": "none"}, "ties cannot be 'none'"),
        ({"mean": [0.5, None]}, "mean cannot be"),
    ],
)
def test_an_option_that_cannot_be(options: dict[str, Any], told: str) -> None:
    with pytest.raises(Refusal) as caught:
        addnn_spec.probe("Digits", train="digits", **options)
    assert caught.value.code == "E0607"
    assert told in str(caught.value)


def test_a_ranking_takes_what_all_models_share() -> None:
    options: dict[str, Any] = {"nodes": "all"}
    with pytest.raises(Refusal, match="there is no option nodes"):
        addnn_spec.rank([], train="digits", **options)


def test_sequences_are_kept_as_tuples() -> None:
    found = settings_of({"nodes": "all", "mean": [0.5, 1], "measures": ["cka"]})
    assert (found.nodes, found.mean, found.measures) == (("all",), (0.5, 1.0), ("cka",))


def _keywords(name: str, fields: Iterable[str]) -> str:
    """Write a class of keyword arguments; of a tuple, any sequence may be given."""
    rows = []
    for field in fields:
        kind = str(Settings.model_fields[field].annotation).removeprefix("typing.")
        kind = kind.removeprefix("<class '").removesuffix("'>").replace("'", '"')
        kind = re.sub(r"tuple\[(\w+), \.\.\.\]", r"Sequence[\1]", kind)
        kind = re.sub(r"(?:typing\.)?Optional\[(.*)\]$", r"\1 | None", kind).replace("typing.", "")
        rows.append(f"    {field}: {kind}\n")
    return f"\n\nclass {name}(TypedDict, total=False):\n{''.join(rows)}"


def test_the_keyword_arguments_are_the_settings(golden: Golden) -> None:
    own = [name for name in Settings.model_fields if name != "measures"]
    golden.check(
        KEYWORDS, HEAD + _keywords("ProbeKeywords", own) + _keywords("RankKeywords", OPTIONS)
    )
