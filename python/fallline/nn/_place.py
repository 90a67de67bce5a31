"""Where in a model did it go wrong?  The path of the layer, and the shapes on the way, are added to the error."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from types import FrameType, TracebackType
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from fallline.nn._module import Module

__all__ = ["passed_through", "shape_of"]

MOST = 12  # arrays of one forward that are told


class _Way:
    """What is known of an error so far: the layers that it came through, from the inside, and what each had done.

    An error of ours gets it as further words, anybody else's as a note: it says what it says.
    """

    def __init__(self, error: Exception, got: str) -> None:
        text = error.args[0] if len(error.args) == 1 else None
        self.words = text if isinstance(text, str) and text.startswith("[") else ""
        self.got, self.note = got, ""
        self.layers: list[Any] = []
        self.done: dict[int, Callable[[str], list[str]]] = {}  # by place in `layers`: its steps, from its path

    def add(self, layer: Any, done: Callable[[str], list[str]] | None = None) -> None:
        if not self.layers or self.layers[-1] is not layer:
            self.layers.append(layer)
        if done:
            self.done[len(self.layers) - 1] = done

    def told(self) -> str:
        """Return the innermost layer with its path from the outermost, what it got, and the steps on the way."""
        path, steps = "", list[str]()
        for i in reversed(range(len(self.layers))):  # from the outside
            if i + 1 < len(self.layers):
                path = _joined(path, _name(self.layers[i + 1], self.layers[i]))
            steps += self.done[i](path) if i in self.done else []
        if len(self.layers) == 1 and not steps:
            return ""
        where = f"layer {path} = {_head(self.layers[0])}" if path else _head(self.layers[0])
        way = f"; on the way: {' -> '.join(steps)}" if steps else ""
        return f"in {where}, which got {self.got}{way}"

    def write(self, error: Any) -> None:
        if not (told := self.told()):
            return
        if self.words:
            error.args = (f"{self.words}; {told}",)
        elif hasattr(error, "add_note"):  # from Python 3.11 on
            error.__notes__ = [note for note in getattr(error, "__notes__", []) if note != self.note]
            error.add_note(told)
            self.note = told


def passed_through(error: Exception, module: Module, args: Sequence[Any], before: Sequence[str] = ()) -> None:
    """Note that an error came out of a module; `before` are the shapes of what a sequence had computed till then."""
    way: _Way | None = getattr(error, "_way", None)
    if way is None:
        way = _Way(error, ", ".join(map(shape_of, args)))
        try:
            error._way = way  # type: ignore[attr-defined]
        except AttributeError:  # of a class with slots
            return
        if before and not hasattr(layer := module[len(before) - 1], "_named_modules"):  # type: ignore[index]
            way.add(layer)
    if before:
        way.add(module, lambda path: list(_sequence(path, module, before)))
        way.write(error)
        return
    arrays = list(_arrays_of(_own_frame(error.__traceback__, module)))
    if len(arrays) > (0 if way.layers else 1):  # what the innermost layer got is told anyway
        shapes = ", ".join(arrays[:MOST])
        way.add(module, lambda path: [f"{path or type(module).__name__}: {shapes}"])
    else:
        way.add(module)
    way.write(error)


def _sequence(path: str, module: Any, before: Sequence[str]) -> Iterator[str]:
    for i, (shape, layer) in enumerate(zip(before, module, strict=False)):
        yield f"{shape}, {_joined(path, str(i))} {getattr(layer, '__name__', type(layer).__name__)}"


def _own_frame(trace: TracebackType | None, module: Module) -> FrameType | None:
    """Return the frame of the module's forward where a user wrote it."""
    code = getattr(type(module).forward, "__code__", None)
    ours = type(module).__module__.partition(".")[0] == "fallline"
    while trace is not None and not ours:
        if trace.tb_frame.f_code is code:
            return trace.tb_frame
        trace = trace.tb_next
    return None


def _arrays_of(frame: FrameType | None) -> Iterator[str]:
    for name, value in frame.f_locals.items() if frame else ():
        if hasattr(value, "shape") and hasattr(value, "dtype"):
            yield f"{name} {shape_of(value)}"


def shape_of(value: Any) -> str:
    """Return the shape of an array, or what else there is."""
    shape = getattr(value, "shape", None)
    return str(tuple(shape)) if shape is not None else type(value).__name__


def _joined(path: str, name: str) -> str:
    return f"{path}.{name}" if path else name


def _head(layer: Any) -> str:
    """Return the first line of what a layer shows, without the parts of a container."""
    return str(getattr(layer, "__name__", None) or repr(layer).partition("\n")[0].rstrip("("))


def _name(outer: Any, inner: Any) -> str:
    """Return where in a module another is, or a function in a sequence."""
    found = (path for path, module in outer._named_modules("") if module is inner)
    step = (str(i) for i, layer in enumerate(getattr(outer, "layers", ())) if layer is inner)
    return next(found, None) or next(step, type(inner).__name__)
