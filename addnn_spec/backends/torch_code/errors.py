"""What cannot be written as PyTorch code, with its place in the spec."""

from __future__ import annotations

from addnn_spec.source import Span


class TorchCodeError(Exception):
    """A network that cannot be emitted: `message` in the user's words, `span` where, `help` how."""

    def __init__(self, message: str, span: Span, help: str | None = None) -> None:
        super().__init__(message)
        self.message = message
        self.span = span
        self.help = help
