"""The command line, `addnn`: the only place that reads arguments and chooses exit codes.

0: done, nothing wrong · 1: something was found (errors in a spec, a file that is not up to date)
· 2: the command could not be carried out as it was given · 130: interrupted · 141: the reader of
the output has gone.
"""

from __future__ import annotations

import gc
import os
import sys

_BUG = "E0900"


def main() -> None:
    """Run `addnn` with the arguments of the process, and exit."""
    os.environ.setdefault("PYDANTIC_DISABLE_PLUGINS", "__all__")  # they are looked for at length
    _fill_streams()
    gc.disable()  # what is imported stays: `app` turns the collector on when a command is loaded
    sys.exit(run(sys.argv[1:]))


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
    except OSError as error:  # standard output on a full disk
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        sys.stderr.write(f"error[E0602]: standard output cannot be written: {error.strerror}\n")
        return 2
    except KeyboardInterrupt:
        return 130
    except Exception as error:
        if os.environ.get("ADDNN_TRACEBACK"):
            raise
        sys.stderr.write(
            f"error[{_BUG}]: this is a bug of addnn: {type(error).__name__}: {error}\n"
            f"  = help: report it with what ADDNN_TRACEBACK=1 shows: addnn explain {_BUG}\n"
        )
        return 2
    return status


class ReaderGoneError(Exception):
    """Nobody reads the output any more. (Not an OSError: click has an answer of its own to it.)"""


def _flush() -> None:
    try:
        sys.stdout.flush()
    except BrokenPipeError as error:
        raise ReaderGoneError from error


def _run(arguments: list[str]) -> int:
    import click

    from addnn_spec.cli.app import addnn

    try:
        status = addnn.main(arguments, prog_name="addnn", standalone_mode=False)
    except click.exceptions.Exit as stop:
        return stop.exit_code
    except click.ClickException as error:
        error.show()
        return error.exit_code
    except click.Abort:
        return 130
    return status if isinstance(status, int) else 0
