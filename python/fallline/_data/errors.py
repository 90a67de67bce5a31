"""What is said when the input is not usable: one sentence with the way out."""

from __future__ import annotations

import difflib
from collections.abc import Iterable


class InputError(ValueError):
    """The user's data or options cannot be used; the message is one sentence for the user."""


def close_to(name: str, known: Iterable[str]) -> str:
    """Say which known names come near `name`, else list them all.

    Examples
    --------
    >>> close_to("adm", ["adam", "sgd"])
    "did you mean 'adam'? Known: adam, sgd"
    >>> close_to("xyz", ["adam", "sgd"])
    'known: adam, sgd'
    """
    names = sorted(known)
    lower = {n.lower(): n for n in names}
    near = difflib.get_close_matches(name.lower(), lower, n=2, cutoff=0.6)
    near = near or [n for n in lower if len(name) > 2 and name.lower() in n][:2]
    listed = ", ".join(names[:60]) + (", ..." if len(names) > 60 else "")
    if not near:
        return f"known: {listed}"
    return f"did you mean {' or '.join(repr(lower[n]) for n in near)}? Known: {listed}"
