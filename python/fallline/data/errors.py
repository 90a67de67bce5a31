"""What is said when the input is not usable: one sentence with the way out."""

from __future__ import annotations

import difflib
from collections.abc import Iterable


class InputError(ValueError):
    """The user's data or options cannot be used; the message is one sentence for the user."""


MOST = 400  # characters of a list in a sentence


def shown(text: str, most: int = 60) -> str:
    r"""Return a stranger's text as it can stand in a sentence: printable, and not long.

    Examples
    --------
    >>> shown("price"), shown("a\tb"), shown("x" * 80, most=8)
    ('price', "'a\\tb'", 'xxxxxxxx...')
    """
    text = text if text.isprintable() else repr(text)
    return text if len(text) <= most else text[:most] + "..."


def listed(names: Iterable[str]) -> str:
    """Join names by commas, as many as a sentence bears.

    Examples
    --------
    >>> listed(["a", "b"])
    'a, b'
    >>> listed([f"column {i}" for i in range(500)]).endswith(", ... (500 in all)")
    True
    """
    known = [shown(name) for name in names]
    text = ", ".join(known)
    if len(text) <= MOST:
        return text
    return text[:MOST].rpartition(", ")[0] + f", ... ({len(known)} in all)"


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
    if not near:
        return f"known: {listed(names)}"
    return f"did you mean {' or '.join(repr(shown(lower[n])) for n in near)}? Known: {listed(names)}"


def plural(count: int, one: str, many: str = "") -> str:
    """Say how many, in words that fit.

    Examples
    --------
    >>> plural(1, "missing value"), plural(2, "category", "categories")
    ('1 missing value', '2 categories')
    """
    return f"{count} {one if count == 1 else many or one + 's'}"
