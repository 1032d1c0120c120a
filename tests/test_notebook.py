"""A notebook's cells: the magic, what a network shows, errors as in a terminal."""

from __future__ import annotations

from typing import Any

import pytest
from IPython.core.interactiveshell import InteractiveShell

from addnn_spec import Network
from addnn_spec.diagnostics import DiagnosticError

UNIT = "block Unit(width) { return x -> Linear(width) -> ReLU }"
NET = """from "units.net" import Unit
network Net(classes = 10) { input x: float[N, 4] output y = x -> a: Unit(8) -> b: Linear(classes) }
network Two = Net(classes = 2)
"""


@pytest.fixture(scope="module")
def shell() -> Any:
    made = InteractiveShell()  # type: ignore[no-untyped-call]
    made.run_line_magic("load_ext", "addnn_spec")
    return made


def test_a_cell_gives_a_network_and_imports_from_others(shell: Any) -> None:
    assert shell.run_cell_magic("net", "units", UNIT) is None
    shown = shell.run_cell_magic("net", "mine --network Two", NET)
    network = shell.user_ns["mine"]
    assert shown is network and isinstance(network, Network)
    assert network.costs.main.total.params == 4 * 8 + 8 + 8 * 2 + 2
    shell.run_cell_magic("net", "units", UNIT.replace("ReLU", "Linear(1)"))  # run again
    again = shell.run_cell_magic("net", "mine --network Net", NET)
    assert again.costs.main.total.params == 4 * 8 + 8 + 8 * 1 + 1 + 10 + 10


def test_errors_are_told_with_their_places_in_colour(shell: Any) -> None:
    with pytest.raises(DiagnosticError) as raised:
        shell.run_cell_magic("net", "bad", "network A {\n  output y = x -> Linear(3)\n}")
    assert "bad.net:2:14" in str(raised.value)
    shown = "\n".join(raised.value._render_traceback_())
    assert "\x1b[1;31merror[E0107]\x1b[0m" in shown
    assert "bad" not in shell.user_ns
    for line in ("", "a-b", "a --what"):
        with pytest.raises(DiagnosticError, match="%%net"):
            shell.run_cell_magic("net", line, UNIT)


def test_a_network_is_shown_in_tabs(shell: Any) -> None:
    shell.run_cell_magic("net", "units", UNIT)
    network = shell.run_cell_magic("net", "mine --network Two", NET)
    first, second = (network._repr_mimebundle_()["text/html"] for _ in range(2))
    for title in ("table", "drawing", "code"):
        assert f">{title}</label>" in first
    assert first.count('type="radio"') == 3 and first.count(" checked>") == 1
    assert "<svg" in first and "Linear(" in first
    names = [html.split('name="')[1].split('"')[0] for html in (first, second)]
    assert names[0] != names[1]  # each output has tabs of its own
