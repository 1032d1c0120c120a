"""Every operator the way a user takes it: text, checks, figures, source, import, run."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from itertools import islice

import pytest
import torch
from torch import Tensor, nn

from addnn_spec.backends.difference import compare
from addnn_spec.backends.dot import dot_text
from addnn_spec.compiler import Session
from addnn_spec.diagnostics import DiagnosticError
from addnn_spec.network import Network
from addnn_spec.ops import Operator
from addnn_spec.ops.base import Example
from addnn_spec.passes.summary import to_json
from addnn_spec.probes.nodes import graph_nodes
from addnn_spec.source import Source
from tests.ops import harness
from tests.ops.texts import (
    NAME,
    Types,
    Written,
    asserted_symbols,
    fixed,
    one_symbol,
    operators,
    shared_symbols,
    written,
)
from tests.property.emitted import imported
from tests.support import seldom

OPERATORS = list(operators())
NEEDS_NUMBERS = {"E0201", "E0211", "E0301", "E0303", "E0305", "E0308", "E0310"}
"""What may be said of a symbolic size where its number is taken."""
Variants = Callable[[Example], Iterator[tuple[Types, str]]]


def networks(
    kind: type[Operator], variants: Variants
) -> Iterator[tuple[Written, Network | set[str]]]:
    """Each example of an operator with its variants, and the codes of those that are refused."""
    for example in kind.examples():
        for types, stated in variants(example):
            case = written(example, types, stated)
            session = Session(Source("test.net", case.text))
            try:
                yield case, Network(session, NAME)
            except DiagnosticError as error:
                yield case, {found.code for found in error.diagnostics}


@pytest.mark.parametrize("kind", OPERATORS, ids=lambda kind: kind.__name__)
def test_fixed_sizes(kind: type[Operator]) -> None:
    for case, network in networks(kind, fixed):
        assert isinstance(network, Network), (network, case.text)
        assert_runs(case, network)


@pytest.mark.slow
@pytest.mark.parametrize("kind", seldom(OPERATORS, 3), ids=lambda kind: kind.__name__)
def test_symbolic_sizes(kind: type[Operator]) -> None:
    for case, network in networks(kind, shared_symbols):
        if isinstance(network, Network):
            assert_runs(case, network)
        else:
            assert network <= NEEDS_NUMBERS, (network, case.text)


@pytest.mark.parametrize("kind", OPERATORS, ids=lambda kind: kind.__name__)
def test_sizes_that_are_equal_by_an_assertion(kind: type[Operator]) -> None:
    for case, network in islice(asserted(kind), 1):
        assert_same_everywhere(case, network)


@pytest.mark.slow
@pytest.mark.parametrize("kind", OPERATORS, ids=lambda kind: kind.__name__)
def test_all_sizes_that_are_equal_by_an_assertion(kind: type[Operator]) -> None:
    for case, network in asserted(kind):
        assert_same_everywhere(case, network)


def asserted(kind: type[Operator]) -> Iterator[tuple[Written, Network]]:
    """What is accepted of one symbol, with several that are asserted to be equal."""
    pairs = zip(networks(kind, one_symbol), networks(kind, asserted_symbols), strict=True)
    for (_, shared), (case, network) in pairs:
        if isinstance(shared, Network):
            assert isinstance(network, Network), (network, case.text)
            yield case, network


def assert_same_everywhere(case: Written, network: Network) -> None:
    """All that reads a network asks the operator's rules as the check did, and the code runs."""
    repr(network)
    to_json(network.graph)
    network.summary()
    dot_text(network.graph)
    assert network.flat().nodes
    assert not compare(network.graph, network.graph).nodes.any
    assert graph_nodes(network.graph, {})
    assert_runs(case, network)


def assert_runs(case: Written, network: Network) -> None:
    """The emitted module gives what torch gives, with the same weights."""
    operator, inputs, _ = case.example
    tensors = harness.tensors_of(case.example)
    ours = harness.build(operator, inputs)
    expected = harness.run(operator, inputs, tensors, ours)
    with harness.float64(), imported(network.source()) as module:
        emitted: nn.Module = getattr(module, network.name)().eval()
        if ours is not None and ours.state_dict():
            emitted.load_state_dict(_keys(emitted, ours))
        torch.manual_seed(13)
        value = emitted(*(x for x in tensors if x is not None))
    found = (value,) if isinstance(value, Tensor) else tuple(value)
    for left, right in zip(found, expected, strict=True):
        torch.testing.assert_close(left, right, rtol=1e-9, atol=1e-12, equal_nan=True)


def _keys(emitted: nn.Module, ours: nn.Module) -> dict[str, Tensor]:
    (child,) = {key.partition(".")[0] for key in emitted.state_dict()}
    return {f"{child}.{key}": value for key, value in ours.state_dict().items()}


@pytest.mark.parametrize(
    "kind", [kind for kind in OPERATORS if kind.inferred_names], ids=lambda kind: kind.__name__
)
def test_what_is_inferred_may_be_stated_and_is_checked(kind: type[Operator]) -> None:
    example = kind.examples()[0]
    text = written(example, example.inputs).text
    name = kind.__name__
    inferred = example.operator.inferred(*example.inputs)
    for argument, size in inferred.items():
        listed: set[str] = set() if argument in kind.model_fields else {"E0201"}
        for stated, codes in [
            (size, set[str]()), (1000, {"E0301"}), (f"[{size}]", listed),
            *((f"{wrong}", {"E0201"}) for wrong in (f"{size}.0", f'"{size}"', "true")),
        ]:  # fmt: skip
            given = f"{argument} = {stated}"
            changed = text.replace(f"{name}(", f"{name}({given}, ")
            if changed == text:
                changed = text.replace(f"-> {name}", f"-> {name}({given})")
            assert given in changed
            found = Session(Source("test.net", changed)).check()
            assert {diagnostic.code for diagnostic in found} == codes, changed
