"""What the whole elaboration of one network shares: limits, facts, messages, memory."""

from __future__ import annotations

from collections.abc import Hashable, Iterable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, NoReturn, Protocol

from msgspec import Struct, field

from addnn_spec.diagnostics import Collector, Diagnostic, DiagnosticCode, Label
from addnn_spec.elaborate.value_size import Extents
from addnn_spec.elaborate.watch import Watch
from addnn_spec.graph import Assertion
from addnn_spec.limits import Limits
from addnn_spec.ops.base import TensorType
from addnn_spec.sizes import Facts, Symbol
from addnn_spec.source import Span
from addnn_spec.values import key

if TYPE_CHECKING:
    from addnn_spec.elaborate.frame import Rules, Value


class HasType(Protocol):
    """What has a tensor's type."""

    @property
    def type(self) -> TensorType: ...


class Stopped(Exception):
    """Elaboration stops here; the reason is in the collector already."""


class Failed(Stopped):
    """The expression or statement cannot be elaborated; what does not need it goes on."""


class Exhausted(Stopped):
    """A limit is reached: nothing goes on."""


class UseStep(Struct):
    """One step of the path of uses that led to a place: where, and at which node name."""

    name: str
    span: Span


class Context(Struct, eq=False):
    """What all modules share while one network is elaborated."""

    collector: Collector
    rules: Rules
    limits: Limits = field(default_factory=Limits)
    facts: Facts = field(default_factory=Facts)
    memo: dict[Hashable, Any] = field(default_factory=dict)
    extents: Extents = field(default_factory=Extents)
    memoise: bool = True
    watch: Watch | None = None
    """Who looks on."""
    network: str = ""
    uses: list[UseStep] = field(default_factory=list)
    steps: int = 0
    depth: int = 0
    """How many functions are being called, one inside another."""
    nodes: int = 0
    connections: int = 0
    """How many tensors the nodes read in all."""
    failures: int = 0
    """How many failed elements and statements were passed over."""
    live_spans: set[Span] = field(default_factory=set)
    dead: dict[Span, str] = field(default_factory=dict)
    assertions: list[Assertion] = field(default_factory=list)
    sizes: dict[Symbol, Span] = field(default_factory=dict)
    """The symbolic sizes of the network's inputs, and where they are declared."""

    def step(self, span: Span, count: int = 1) -> None:
        """Charge `count` compile-time steps."""
        before, self.steps = self.steps, self.steps + count
        # After the limit everything that is still being unwound ends at once, with a single error.
        if before > self.limits.steps:
            raise Exhausted  # it was told
        if self.steps > self.limits.steps:
            self.exhaust(
                "E0504",
                f"this needs more than {self.limits.steps:,} compile-time steps",
                span,
                help="make the lists or loops smaller, or raise the limit with --limit-steps",
            )

    def pass_over(self) -> None:
        """Charge a mistake that elaboration goes on after: it costs what a node does."""
        self.failures += 1
        if self.failures > self.limits.nodes:
            raise Exhausted

    def weigh(self, value: Value, span: Span) -> None:
        """Refuse a list or a layer that holds too much, however its parts are shared."""
        extent = self.extents.of(value)
        # A flat list is charged as steps where it is made; only nesting multiplies by sharing.
        if extent.depth > 1 and extent.size > self.limits.elements:
            self.fail("E0210", f"this holds more than {self.limits.elements:,} elements", span)
        if extent.depth > self.limits.nesting:
            self.fail("E0210", f"this is nested more than {self.limits.nesting} deep", span)

    def key(self, value: Value, span: Span) -> Hashable:
        """Return the exact key of a value (`values.key`), charged by what it holds."""
        extent = self.extents.of(value)
        if extent.depth:
            self.step(span, extent.size)
        return key(value)

    def normal(self, type: TensorType) -> TensorType:
        """Return a type with the stated facts about its sizes put in."""
        if not self.facts.rewrites or all(isinstance(size, int) for size in type.shape):
            return type
        return type.with_shape(*map(self.facts.normal, type.shape))

    def types(self, inputs: Iterable[HasType | None]) -> tuple[TensorType | None, ...]:
        """Return the types of tensors, with the stated facts put in; None of an input not given."""
        return tuple(None if tensor is None else self.normal(tensor.type) for tensor in inputs)

    def fail(
        self,
        code: DiagnosticCode,
        message: str,
        span: Span,
        note: str = "",
        *,
        labels: tuple[Label, ...] = (),
        help: str | None = None,
    ) -> NoReturn:
        """Report an error at a place, with the path of uses that led there, and give up on it."""
        self.report(code, message, span, note, labels=labels, help=help)
        raise Failed

    def exhaust(self, code: DiagnosticCode, message: str, span: Span, *, help: str) -> NoReturn:
        """Report that a limit is reached, and give up on all."""
        self.report(code, message, span, help=help)
        raise Exhausted

    def report(
        self,
        code: DiagnosticCode,
        message: str,
        span: Span,
        note: str = "",
        *,
        labels: tuple[Label, ...] = (),
        help: str | None = None,
    ) -> None:
        primary, uses = Label(span, note), list(self._used_from(span))
        own = next((use for use in uses if not use.span.source.packaged), None)
        if span.source.packaged and own is not None:  # what a user can mend is the use
            uses.remove(own)
            labels = (Label(span, note or "it fails here"), *labels)
            primary = Label(own.span, "used here")
        self.collector.add(
            Diagnostic(
                code=code,
                message=message,
                primary=primary,
                labels=(*labels, *uses),
                notes=self._where(),
                help=help,
            )
        )

    def path(self, name: str) -> str:
        """Return the path of what is called `name` here."""
        return ".".join(part for part in (*(use.name for use in self.uses), name) if part)

    def _where(self) -> tuple[str, ...]:
        if not self.network:
            return ()
        path = self.path("")
        return (f"in network {self.network}" + (f", at {path}" if path else ""),)

    def _used_from(self, span: Span) -> Iterator[Label]:
        """Yield the calls that led here, outermost last; what holds a place that was told is left
        out."""
        told: list[Span] = [span]
        # The innermost six are enough to find the way; the notes have the whole path.
        for use in reversed(self.uses[-6:]):
            around = any(
                use.span.source is place.source and use.span.start <= place.start < use.span.end
                for place in told
            )
            if not around:
                told.append(use.span)
                yield Label(use.span, "used from here")

    @contextmanager
    def use(self, name: str, span: Span) -> Iterator[None]:
        """Note that what follows happens inside the use of a block or brace called `name`."""
        self.uses.append(UseStep(name, span))
        try:
            yield
        finally:
            self.uses.pop()
