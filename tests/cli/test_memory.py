"""A process that runs many commands keeps nothing of the texts that it has read."""

from __future__ import annotations

import gc
from collections import Counter

from tests.cli.conftest import Addnn

TEXT = """\
block Unit{0}(n) {{ return x -> part{0}: Linear(n) -> ReLU }}
network Net {{
  input x{0}: float[N, 4]
  output y = x{0} -> Unit{0}(3) -> Unit{0}(5)
}}
"""


def _alive() -> Counter[str]:
    gc.collect()
    kinds = (type(found) for found in gc.get_objects())
    return Counter(kind.__name__ for kind in kinds if str(kind.__module__).startswith("addnn_spec"))


def _run(addnn: Addnn, first: int, last: int) -> None:
    for number in range(first, last):
        assert addnn("compile", "-", text=TEXT.format(number)).code == 0


def test_nothing_is_kept_of_a_text(addnn: Addnn) -> None:
    _run(addnn, 0, 3)
    frozen, alive = gc.get_freeze_count(), _alive()
    _run(addnn, 3, 60)
    assert gc.get_freeze_count() == frozen
    assert _alive() == alive
