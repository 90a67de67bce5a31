"""What else happens when a module is called?  Functions of one's own that see, or change, what goes in and out."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

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
        output = module.forward(*args, **kwargs)
        for hook in self._of("forward"):
            changed = hook(module, args, output)
            output = output if changed is None else changed
        return output
