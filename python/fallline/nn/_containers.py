"""Lists and dicts of modules under PyTorch's names; plain lists and dicts do as well."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from fallline.nn._module import Module

__all__ = ["ModuleDict", "ModuleList"]


def _part(owner: Module, value: Any) -> Module:
    if not isinstance(value, Module):
        raise TypeError(f"[{type(owner).__name__}] expected modules, got {type(value).__name__}")
    return value


class _Container(Module):
    """Holds modules by name; their paths are the names."""

    _parts: dict[str, Module]

    def __init__(self) -> None:
        super().__init__()
        object.__setattr__(self, "_parts", {})

    def _named_modules(self, path: str) -> Iterator[tuple[str, Module]]:
        yield path, self
        for name, module in self._parts.items():
            yield from module._named_modules(f"{path}.{name}" if path else name)

    def __len__(self) -> int:
        return len(self._parts)

    def __repr__(self) -> str:
        lines = [f"  ({n}): {repr(m).replace(chr(10), chr(10) + '  ')}" for n, m in self._parts.items()]
        return "\n".join([f"{type(self).__name__}(", *lines, ")"])


class ModuleList(_Container):
    """Modules in order; paths are ``0``, ``1``, ... It is not called itself.

    Parameters
    ----------
    modules
        The modules to begin with.

    Examples
    --------
    >>> import fallline as fl
    >>> layers = fl.nn.ModuleList([fl.nn.Linear(2, 3)])
    >>> layers.append(fl.nn.Linear(3, 1)) is layers, len(layers), list(layers.parameters())[:2]
    (True, 2, ['0.weight', '0.bias'])
    """

    def __init__(self, modules: Iterable[Module] = ()) -> None:
        super().__init__()
        self.extend(modules)

    def append(self, module: Module) -> ModuleList:
        """Add a module at the end."""
        self._parts[str(len(self))] = _part(self, module)
        return self

    def extend(self, modules: Iterable[Module]) -> ModuleList:
        """Add modules at the end."""
        for module in modules:
            self.append(module)
        return self

    def insert(self, index: int, module: Module) -> None:
        """Put a module before another."""
        found = list(self)
        found.insert(index, _part(self, module))
        self._parts.clear()
        self.extend(found)

    def __getitem__(self, index: Any) -> Any:
        found = list(self)[index]
        return ModuleList(found) if isinstance(index, slice) else found

    def __setitem__(self, index: int, module: Module) -> None:
        self._parts[str(range(len(self))[index])] = _part(self, module)

    def __iter__(self) -> Iterator[Module]:
        return iter(self._parts.values())


class ModuleDict(_Container):
    """Modules by name, in order. It is not called itself.

    Parameters
    ----------
    modules
        The modules to begin with, by name.

    Examples
    --------
    >>> import fallline as fl
    >>> heads = fl.nn.ModuleDict({"price": fl.nn.Linear(2, 1)})
    >>> heads["kind"] = fl.nn.Linear(2, 3)
    >>> list(heads), list(heads.parameters())
    (['price', 'kind'], ['price.weight', 'price.bias', 'kind.weight', 'kind.bias'])
    """

    def __init__(self, modules: Mapping[str, Module] | None = None) -> None:
        super().__init__()
        self.update(modules or {})

    def update(self, modules: Mapping[str, Module]) -> None:
        """Add or replace modules."""
        for name, module in modules.items():
            self[name] = module

    def keys(self) -> Iterable[str]:
        """Return the names."""
        return self._parts.keys()

    def values(self) -> Iterable[Module]:
        """Return the modules."""
        return self._parts.values()

    def items(self) -> Iterable[tuple[str, Module]]:
        """Return names and modules."""
        return self._parts.items()

    def __getitem__(self, name: str) -> Module:
        return self._parts[name]

    def __setitem__(self, name: str, module: Module) -> None:
        if not isinstance(name, str) or not name or "." in name:
            raise ValueError(f"[ModuleDict] names must be words without a dot, got {name!r}")
        self._parts[name] = _part(self, module)

    def __delitem__(self, name: str) -> None:
        del self._parts[name]

    def __contains__(self, name: object) -> bool:
        return name in self._parts

    def __iter__(self) -> Iterator[str]:
        return iter(self._parts)
