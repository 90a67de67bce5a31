"""Trees: dicts, lists, tuples and modules, nested; everything else is a leaf with a path like ``0.weight``."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

__all__ = ["flatten", "map", "unflatten"]


def flatten(tree: Any) -> dict[str, Any]:
    """Return the leaves of a tree by path, in order.

    A dict contributes its keys, a list or tuple its indices, a named tuple its field names, a module (anything whose
    ``parameters()`` returns a dict) its parameters. The path of a tree that is a leaf itself is ``""``.

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
        leaves = dict(zip(paths, leaves, strict=True))
    elif missing := [path for path in paths if path not in leaves]:
        raise ValueError(f"[tree] these paths have no leaf: {', '.join(missing)}")
    return _build("", like, leaves)


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
    return _build("", tree, {path: function(leaf, *(o[path] for o in others)) for path, leaf in leaves.items()})


def _children(node: Any) -> Iterator[tuple[str, Any]] | None:
    """Return the named children of a node, or None for a leaf."""
    if isinstance(node, Mapping):
        return ((str(key), child) for key, child in node.items())
    if isinstance(node, tuple) and hasattr(node, "_fields"):
        return zip(node._fields, node, strict=True)
    if isinstance(node, list | tuple):
        return ((str(i), child) for i, child in enumerate(node))
    if callable(getattr(node, "parameters", None)):
        parameters: Mapping[str, Any] = node.parameters()
        return iter(parameters.items())
    return None


def _walk(path: str, node: Any) -> Iterator[tuple[str, Any]]:
    children = _children(node)
    if children is None:
        yield path, node
    else:
        for name, child in children:
            yield from _walk(_join(path, name), child)


def _build(path: str, node: Any, leaves: Mapping[str, Any]) -> Any:
    children = _children(node)
    if children is None:
        return leaves[path]
    if isinstance(node, Mapping):
        return {key: _build(_join(path, str(key)), child, leaves) for key, child in node.items()}
    built = {name: _build(_join(path, name), child, leaves) for name, child in children}
    if isinstance(node, tuple) and hasattr(node, "_fields"):
        return type(node)(*built.values())
    if isinstance(node, list | tuple):
        return type(node)(built.values())
    return built


def _join(path: str, name: str) -> str:
    return f"{path}.{name}" if path else name
