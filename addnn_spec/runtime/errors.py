"""What the runtime refuses, and what it has to say."""

from __future__ import annotations


class RuntimeRefusal(ValueError):
    """Something that was given cannot be used.

    `code` is one of the compiler's codes (E0601 …); `notes` are further lines, `help` says how to
    mend it.
    """

    def __init__(
        self, code: str, message: str, *, notes: tuple[str, ...] = (), help: str | None = None
    ) -> None:
        super().__init__(message)
        self.code = code
        self.message = message
        self.notes = notes
        self.help = help

    def __str__(self) -> str:
        help = (f"help: {self.help}",) if self.help else ()
        return "\n  ".join([f"[{self.code}] {self.message}", *self.notes, *help])


class WeightsError(RuntimeRefusal):
    """Weights that cannot be read, are not safe to read, or do not fit the network."""


class WeightsNote(UserWarning):
    """Something that loading weights has put right, or has left as it was initialised."""
