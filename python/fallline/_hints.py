"""What did a user mean who typed a name that is not there?  Near names, and names that other libraries have."""

from __future__ import annotations

from collections.abc import Iterable

__all__ = ["did_you_mean"]


def did_you_mean(name: object, known: Iterable[str], *, otherwise: str = "") -> str:
    """Return "; did you mean 'lr'?" where a known name is near, else `otherwise`.

    >>> did_you_mean("learn_rate", ["lr", "learning_rate"])
    "; did you mean 'learning_rate'?"
    """
    import difflib  # only here: it takes a while to import

    folded = {other.lower(): other for other in known}
    close = difflib.get_close_matches(str(name).lower(), folded, n=2, cutoff=0.7)
    return f"; did you mean {' or '.join(repr(folded[other]) for other in close)}?" if close else otherwise
