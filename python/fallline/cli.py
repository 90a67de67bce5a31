"""The shell's way in: `fallline fit`, `predict`, `bench`, `info`; every failure is one sentence."""

from __future__ import annotations

import os
import sys
from collections.abc import Sequence

from fallline.data import InputError

INTERRUPTED = 130  # what a shell reports after Ctrl-C


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command and return its exit code.

    Parameters
    ----------
    arguments
        The words after `fallline`; by default those of the process.

    Returns
    -------
    int
        0; 1 after a sentence on stderr where the system refused, such as a full disk; 2 after one about wrong input;
        130 after Ctrl-C.
    """
    try:
        import typer
    except ModuleNotFoundError:
        return _complain("the command line needs typer and rich: pip install 'fallline[cli]'")
    from fallline._cli.app import app

    usage: type[Exception] = typer.BadParameter.__mro__[2]  # click's base of wrong options, wherever typer keeps it
    try:
        code = app(args=arguments, prog_name="fallline", standalone_mode=False) or 0
        sys.stdout.flush()  # here what cannot be written is still told in a sentence
        return code
    except InputError as error:
        return _complain(str(error))
    except BrokenPipeError:  # `fallline predict ... | head`
        _write_no_more()
        return 0
    except usage as error:
        return _complain(error.format_message())  # type: ignore[attr-defined]
    except ModuleNotFoundError as error:  # an optional library: its message says how to install it
        return _complain(str(error))
    except OSError as error:
        _write_no_more()
        return _complain(f"{error.filename or 'standard output'} failed: {error.strerror or error}", 1)
    except MemoryError:
        return _complain("there is not enough memory for this; take fewer rows or a smaller --hidden")
    except (KeyboardInterrupt, typer.Abort):
        print("fallline: stopped", file=sys.stderr)
        return INTERRUPTED


def _complain(sentence: str, code: int = 2) -> int:
    if sentence:  # empty where the help was shown instead
        print(f"fallline: {sentence}", file=sys.stderr)
    return code


def _write_no_more() -> None:
    """Send what standard output does not take nowhere: Python would try again when it ends, and complain."""
    try:
        sys.stdout.flush()
    except OSError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
