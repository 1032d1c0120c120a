"""The command line, `addnn`: the only place that reads arguments and chooses exit codes.

0: done, nothing wrong · 1: errors in what was given · 2: the command could not be carried out as it
was given · 3: networks differ, a file is not up to date · 130: interrupted · 141: the reader of the
output has gone · 143: a signal asked for the end.
"""

from __future__ import annotations

import gc
import os
import signal
import sys
import warnings
from io import StringIO
from traceback import walk_tb

_BUG = "E0900"
_INTERRUPTED, _TERMINATED = 130, 143


def main() -> None:
    """Run `addnn` with the arguments of the process, and exit."""
    os.environ.setdefault("PYDANTIC_DISABLE_PLUGINS", "__all__")  # they are looked for at length
    _fill_streams()
    signal.signal(signal.SIGTERM, _terminate)
    gc.disable()  # what is imported stays: `app` turns the collector on when a command is loaded
    status = run(sys.argv[1:])
    sys.exit(_TERMINATED if _stopped and status == _INTERRUPTED else status)


_stopped: list[int] = []
"""The signal that asked for an end."""


def _terminate(number: int, _: object) -> None:
    """End as Ctrl-C does: what is done is kept. Asked again, it is under way."""
    signal.signal(number, signal.SIG_IGN)
    _stopped.append(number)
    raise KeyboardInterrupt


def _fill_streams() -> None:
    """Give each standard stream that is closed a file that fails when it is used: else the next
    file to be opened would get its number, and what is said would be written into it."""
    for number, (name, mode) in enumerate([("stdin", "r"), ("stdout", "w"), ("stderr", "w")]):
        if getattr(sys, name) is None:
            # standard error alone takes what is written: nothing could be said of a failure
            way = os.O_RDONLY if name == "stdout" else os.O_WRONLY
            os.dup2(os.open(os.devnull, way), number)
            setattr(sys, name, open(number, mode, encoding="utf-8", closefd=False))  # noqa: SIM115


def run(arguments: list[str]) -> int:
    """Run one command; the exit code. What goes wrong is one message, never a traceback."""
    for stream in (sys.stdout, sys.stderr):
        if hasattr(stream, "reconfigure"):  # an encoding without × shall not stop us
            stream.reconfigure(errors="backslashreplace")
    try:
        status = _run(arguments)
        _flush()
    except ReaderGoneError:
        # The reader has gone: nothing is left to say, and Python must not say it at exit either.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 141
    except OSError as error:
        if os.environ.get("ADDNN_TRACEBACK"):
            raise
        if _of_output(error):  # on a full disk
            os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
            told = f"error[E0602]: standard output cannot be written: {error.strerror}"
        else:
            from addnn_spec.diagnostics.excerpt import safe

            what = "" if error.filename is None else f"{safe(str(error.filename))}: "
            told = f"error[E0601]: {what}{error.strerror or error}"
        sys.stderr.write(f"{told}\n")
        return 2
    except KeyboardInterrupt:
        return _INTERRUPTED
    except Exception as error:
        if os.environ.get("ADDNN_TRACEBACK"):
            raise
        sys.stderr.write(
            f"error[{_BUG}]: this is a bug of addnn: {type(error).__name__}: {error}\n"
            f"  = help: report it with what ADDNN_TRACEBACK=1 shows: addnn explain {_BUG}\n"
        )
        return 2
    return status


def _of_output(error: OSError) -> bool:
    """Return True if it was writing to standard output that failed."""
    from click import echo

    codes = {frame.f_code for frame, _ in walk_tb(error.__traceback__)}
    return not codes.isdisjoint((echo.__code__, _flush.__code__))


class ReaderGoneError(Exception):
    """Nobody reads the output any more. (Not an OSError: click has an answer of its own to it.)"""


def _flush() -> None:
    try:
        sys.stdout.flush()
    except BrokenPipeError as error:
        raise ReaderGoneError from error


def _warn(message: Warning | str, *_: object, **__: object) -> None:
    """Show a warning of torch or our own as one of ours: a line, and no place in the code."""
    from addnn_spec.diagnostics.excerpt import safe

    sys.stderr.write(f"warning: {safe(' '.join(str(message).split()))}\n")


def _run(arguments: list[str]) -> int:
    import click

    from addnn_spec.cli.app import addnn
    from addnn_spec.diagnostics.excerpt import visible

    try:
        with warnings.catch_warnings():
            warnings.showwarning = _warn
            status = addnn.main(arguments, prog_name="addnn", standalone_mode=False)
    except click.exceptions.Exit as stop:
        return stop.exit_code
    except click.ClickException as error:
        told = StringIO()
        error.show(told)
        sys.stderr.write(visible(told.getvalue()))
        return error.exit_code
    except click.Abort:
        return _INTERRUPTED
    return status if isinstance(status, int) else 0
