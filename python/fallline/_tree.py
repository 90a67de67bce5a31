"""What is a tree?  Containers and modules, nested; everything else is a leaf with a path like ``0.weight``."""

from __future__ import annotations

import copy
import dataclasses
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import Any, NamedTuple
from weakref import WeakKeyDictionary

__all__ = ["flatten", "map", "unflatten"]


class Kind(NamedTuple):
    """One kind of node."""

    test: Callable[[type], bool]
    names: Callable[[Any], Iterable[Any]]  # of its children, in order
    children: Callable[[Any], Iterable[Any]]
    rebuild: Callable[[Any, list[Any]], Any]  # the same node with other children


def _with_fields(node: Any, values: list[Any]) -> Any:
    twin = copy.copy(node)  # its constructor may do more than to store
    for field, value in zip(dataclasses.fields(node), values, strict=True):
        object.__setattr__(twin, field.name, value)
    return twin


MODULE = Kind(
    lambda kind: callable(getattr(kind, "parameters", None)),
    lambda node: node.parameters(),
    lambda node: node.parameters().values(),
    lambda node, values: dict(zip(node.parameters(), values, strict=True)),
)
KINDS = (
    Kind(
        lambda kind: issubclass(kind, Mapping),
        lambda node: node,
        lambda node: node.values(),
        lambda node, values: dict(zip(node, values, strict=True)),
    ),
    Kind(
        lambda kind: issubclass(kind, tuple) and hasattr(kind, "_fields"),
        lambda node: node._fields,
        lambda node: node,
        lambda node, values: type(node)(*values),
    ),
    Kind(
        lambda kind: issubclass(kind, list | tuple),
        lambda node: range(len(node)),
        lambda node: node,
        lambda node, values: type(node)(values),
    ),
    MODULE,
    Kind(
        dataclasses.is_dataclass,
        lambda node: (field.name for field in dataclasses.fields(node)),
        lambda node: (getattr(node, field.name) for field in dataclasses.fields(node)),
        _with_fields,
    ),
)


_known: WeakKeyDictionary[type, Kind | None] = WeakKeyDictionary()


def kind_of(cls: type) -> Kind | None:
    """Return the kind of a class of nodes, or None for leaves."""
    try:
        return _known[cls]
    except KeyError:
        return _known.setdefault(cls, next((kind for kind in KINDS if kind.test(cls)), None))


def flatten(tree: Any) -> dict[str, Any]:
    """Return the leaves of a tree by path, in order.

    A dict contributes its keys, a list or tuple its indices, a named tuple or dataclass its field names, a module
    (anything whose ``parameters()`` returns a dict) its parameters. The path of a tree that is a leaf itself is ``""``.

    >>> flatten({"layers": [1.0, 2.0], "scale": 3.0})
    {'layers.0': 1.0, 'layers.1': 2.0, 'scale': 3.0}
    """
    leaves: dict[str, Any] = {}
    for path, leaf in _walk("", tree):
        if path in leaves:
            raise ValueError(f"[tree] two leaves have the path '{path}'")
        leaves[path] = leaf
    return leaves


def unflatten(like: Any, leaves: Mapping[str, Any] | Sequence[Any]) -> Any:
    """Return a tree built as `like`, with the given leaves: a mapping by path, or a sequence in `flatten`'s order.

    A module becomes the dict of its parameters' paths.

    >>> unflatten({"a": [0, 0], "b": 0}, [1, 2, 3])
    {'a': [1, 2], 'b': 3}
    """
    paths = list(flatten(like))
    if not isinstance(leaves, Mapping):
        if len(leaves) != len(paths):
            raise ValueError(f"[tree] got {len(leaves)} leaves, expected {len(paths)}")
        return replace(like, _next_of(leaves), modules=True)
    if missing := [path for path in paths if path not in leaves]:
        raise ValueError(f"[tree] these paths have no leaf: {', '.join(missing)}")
    return replace(like, _next_of([leaves[path] for path in paths]), modules=True)


def map(function: Callable[..., Any], tree: Any, *rest: Any) -> Any:
    """Return the tree of ``function(leaf, *leaves of the others at the same path)``.

    >>> map(lambda x, y: x + y, {"a": 1, "b": (2, 3)}, {"a": 10, "b": (20, 30)})
    {'a': 11, 'b': (22, 33)}
    """
    leaves = flatten(tree)
    others = [flatten(other) for other in rest]
    for other in others:
        if other.keys() != leaves.keys():
            raise ValueError(f"[tree] the paths differ: {', '.join(sorted(other.keys() ^ leaves.keys()))}")
    found = [function(leaf, *(other[path] for other in others)) for path, leaf in leaves.items()]
    return replace(tree, _next_of(found), modules=True)


def replace(node: Any, new: Callable[[Any], Any], *, modules: bool = False) -> Any:
    """Return the tree with ``new(leaf)`` in place of each leaf, in `flatten`'s order.

    A module is a leaf here; with `modules` it becomes the dict of its new parameters.
    """
    kind = kind_of(type(node))
    if kind is None or (kind is MODULE and not modules):
        return new(node)
    return kind.rebuild(node, [replace(child, new, modules=modules) for child in kind.children(node)])


def _next_of(leaves: Iterable[Any]) -> Callable[[Any], Any]:
    rest = iter(leaves)
    return lambda _: next(rest)


def _walk(path: str, node: Any) -> Iterator[tuple[str, Any]]:
    kind = kind_of(type(node))
    if kind is None:
        yield path, node
        return
    for name, child in zip(kind.names(node), kind.children(node), strict=True):
        yield from _walk(f"{path}.{name}" if path else str(name), child)
