"""What did a user mean who typed a name that is not there?  Near names, and names that other libraries have."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterable
from functools import cache

__all__ = ["Absent", "did_you_mean", "elsewhere", "module_names"]


def did_you_mean(name: object, known: Iterable[str], *, otherwise: str = "") -> str:
    """Return "; did you mean 'lr'?" where a known name is near, else `otherwise`.

    >>> did_you_mean("learn_rate", ["lr", "learning_rate"])
    "; did you mean 'learning_rate'?"
    """
    import difflib  # only here: it takes a while to import

    folded = {other.lower(): other for other in known}
    close = difflib.get_close_matches(str(name).lower(), folded, n=2, cutoff=0.7)
    return f"; did you mean {' or '.join(repr(folded[other]) for other in close)}?" if close else otherwise


@cache
def table() -> dict[tuple[str, str], tuple[str, str]]:
    """Read the names of other libraries: from (owner, theirs) to ours and a remark."""
    from pathlib import Path  # only here, and not when fallline is imported

    found, owner = {}, ""
    for line in Path(__file__).with_name("_elsewhere.txt").read_text("utf-8").splitlines():
        if line.startswith("["):
            owner = line[1:-1]
        elif line and line[0] != "#":
            theirs, ours, *remark = line.split(maxsplit=2)
            found[owner, theirs] = ours, remark[0] if remark else ""
    return found


def elsewhere(owner: str, name: str) -> str:
    """Return what to use instead of another library's name; "" where the table does not have it.

    >>> elsewhere("fl", "tensor")
    '; use fl.asarray'
    """
    ours, remark = table().get((owner, name), ("", ""))
    if not ours:
        import numpy as np

        numpys = owner == "fl" and not name.startswith("_") and hasattr(np, name)
        return f"; NumPy has it, without derivatives: np.{name}, on x.numpy() of an array" if numpys else ""
    joined = f", {remark}" if remark.startswith(("which", "whose", "with", "of ", "or ", "made")) else f": {remark}"
    return f"; use {ours}" + (joined if remark else "")


class Absent(AttributeError):
    """A name is not there; what was meant is looked up when the message is read, for ``hasattr`` asks often."""

    def __init__(self, what: str, owner: str, name: str, known: Callable[[], Iterable[str]]) -> None:
        super().__init__(what, owner, name)
        self.known = known

    def __str__(self) -> str:
        what, owner, name = self.args
        return f"{what} has no attribute {name!r}{elsewhere(owner, name) or did_you_mean(name, self.known())}"

    def __reduce__(self) -> tuple[type[AttributeError], tuple[str]]:
        return AttributeError, (str(self),)


Absent.__name__ = Absent.__qualname__ = "AttributeError"  # in tracebacks
Absent.__module__ = "builtins"


def module_names(module: str) -> tuple[Callable[[str], object], Callable[[], list[str]]]:
    """Return ``__getattr__`` and ``__dir__`` of a module: its names are those in ``__all__``; others are explained."""

    def names() -> list[str]:
        found = vars(sys.modules[module])
        return sorted({*found["__all__"], *(name for name in found if name.startswith("__"))})

    def missing(name: str) -> object:
        raise Absent(f"module {module!r}", module.replace("fallline", "fl", 1), name, names)

    return missing, names
