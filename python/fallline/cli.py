"""The shell's way in: `fallline fit`, `predict`, `bench`, `info`; one sentence and exit code 2 for bad input."""

from __future__ import annotations

import os
import sys
from collections.abc import Sequence

from fallline._data import InputError

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
        0, or 2 after a sentence on stderr, or 130 after Ctrl-C.
    """
    try:
        import typer
    except ModuleNotFoundError:
        return _complain("the command line needs typer and rich: pip install 'fallline[cli]'")
    from fallline._cli.app import app

    usage: type[Exception] = typer.BadParameter.__mro__[2]  # click's base of wrong options, wherever typer keeps it
    try:
        return app(args=arguments, prog_name="fallline", standalone_mode=False) or 0
    except InputError as error:
        return _complain(str(error))
    except usage as error:
        return _complain(error.format_message())  # type: ignore[attr-defined]
    except ModuleNotFoundError as error:  # an optional library: its message says how to install it
        return _complain(str(error))
    except MemoryError:
        return _complain("there is not enough memory for this; take fewer rows or a smaller --hidden")
    except (KeyboardInterrupt, typer.Abort):
        print("fallline: stopped", file=sys.stderr)
        return INTERRUPTED
    except BrokenPipeError:  # `fallline predict ... | head`
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 0


def _complain(sentence: str) -> int:
    if sentence:  # empty where the help was shown instead
        print(f"fallline: {sentence}", file=sys.stderr)
    return 2
