"""What else happens when a module is called?  Functions of one's own that see, or change, what goes in and out."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from fallline import _core
from fallline._array import Array
from fallline._tree import replace
from fallline.transforms import custom_vjp
from fallline.transforms._key import ARRAYS, arrays_of

if TYPE_CHECKING:
    from fallline.nn._module import Module

__all__ = ["Handle", "Hooks"]

Hook = Callable[..., Any]


class Handle:
    """What registering a hook returns: ``handle.remove()`` takes it away, as does the end of a ``with`` block."""

    def __init__(self, hooks: Hooks, when: str, hook: Hook) -> None:
        self.hooks, self.when, self.hook = hooks, when, hook
        hooks.handles.append(self)

    def remove(self) -> None:
        """Call the hook no longer; a second time does nothing."""
        if self in self.hooks.handles:
            self.hooks.handles.remove(self)

    def __enter__(self) -> Handle:
        return self

    def __exit__(self, *error: object) -> None:
        self.remove()

    def __repr__(self) -> str:
        state = "" if self in self.hooks.handles else ", removed"
        return f"Handle({self.when} hook {getattr(self.hook, '__name__', self.hook)}{state})"


class Hooks:
    """The hooks of one module, in the order in which they came."""

    def __init__(self) -> None:
        self.handles: list[Handle] = []

    def _of(self, when: str) -> list[Hook]:
        return [handle.hook for handle in self.handles if handle.when == when]

    def call(self, module: Module, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
        """Call forward, and every hook in its place."""
        for hook in self._of("forward_pre"):
            changed = hook(module, args)
            if changed is not None:
                args = changed if isinstance(changed, tuple) else (changed,)
        backward = self._of("full_backward")
        seen: list[Array] = []  # the gradients of the outputs, which come first on the way back
        if backward:
            args = _watched(args, lambda found: _changed(backward, module, found, tuple(seen)))
        output = module.forward(*args, **kwargs)
        for hook in self._of("forward"):
            changed = hook(module, args, output)
            output = output if changed is None else changed
        return _watched(output, lambda found: seen.__setitem__(slice(None), found)) if backward else output


def _watched(tree: Any, look: Callable[[tuple[Array, ...]], Any]) -> Any:
    """Return the same arrays; on the way back `look` gets their gradients, and may return others."""

    def same(*arrays: Array) -> tuple[Array, ...]:
        return tuple(_core.reshape(array, array.shape) for array in arrays)

    def forward(*arrays: Array) -> tuple[tuple[Array, ...], None]:
        return same(*arrays), None

    def backward(_: None, gradients: tuple[Array, ...]) -> tuple[Array, ...]:
        changed = look(tuple(gradients))
        return tuple(gradients) if changed is None else tuple(changed)

    watched = custom_vjp(same)
    watched.defvjp(forward, backward)
    floats = [a for a in arrays_of(tree) if a.dtype.kind == "f"]
    if not floats:
        return tree
    new = iter(watched(*floats))
    return replace(tree, lambda leaf: next(new) if isinstance(leaf, ARRAYS) and leaf.dtype.kind == "f" else leaf)


def _changed(hooks: list[Hook], module: Module, found: tuple[Array, ...], outputs: tuple[Array, ...]) -> Any:
    for hook in hooks:
        changed = hook(module, found, outputs)
        if changed is not None:
            found = changed if isinstance(changed, tuple) else (changed,)
    return found
