"""How is a trained model kept?  One safetensors file: tensors by name, everything else as JSON in its metadata.

Tensors bear the model's own names (`0.weight`), those of the optimizer start with `optimizer/`. A model of fallline's
layers is described by their names and arguments, so that it can be rebuilt without its code; nothing is ever pickled.
"""

from __future__ import annotations

import inspect
import json
import os
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from fallline import nn

if TYPE_CHECKING:
    from fallline.optim import Optimizer

FORMAT = "fallline 1"
OWN_KEYS = frozenset({"format", "class", "model", "optimizer", "history"})
OPTIMIZER = "optimizer/"

Tensors = dict[str, NDArray[Any]]


def save(
    path: str | os.PathLike[str],
    model: nn.Module,
    opt: Optimizer | None = None,
    history: Mapping[str, Any] | None = None,
    *,
    metadata: Mapping[str, str] | None = None,
) -> None:
    """Write; see `fallline.save`."""
    tensors: Tensors = {name: _plain(value) for name, value in model.state_dict().items()}
    texts = {"format": FORMAT, "class": type(model).__name__}
    layers = describe(model)
    if layers is not None:
        texts["model"] = json.dumps(layers)
    if opt is not None:
        state: Tensors = {}
        texts["optimizer"] = json.dumps(_pack(opt.state_dict(), "", state))
        tensors.update({OPTIMIZER + name: value for name, value in state.items()})
    if history is not None:
        texts["history"] = json.dumps({key: _numbers(history[key]) for key in history})
    for key, text in (metadata or {}).items():
        if key in OWN_KEYS:
            raise ValueError(f"[save] the metadata key {key!r} is fallline's own; choose another")
        texts[key] = text
    write_atomically(Path(path), _in_order(_safetensors().numpy.save(tensors, texts)))


def load(path: str | os.PathLike[str], model: nn.Module | None = None, opt: Optimizer | None = None) -> nn.Module:
    """Read; see `fallline.load`."""
    tensors, texts = read(path)
    weights = {name: value for name, value in tensors.items() if not name.startswith(OPTIMIZER)}
    if model is None:
        model = _build_from(Path(path), texts, weights)
    _check_fit(Path(path), model, weights)
    if opt is not None:
        if "optimizer" not in texts:
            raise ValueError(f"[load] {path} holds no optimizer state; it was saved without one")
        opt.load_state_dict(_unpack(json.loads(texts["optimizer"]), tensors))  # checks before it changes anything
    model.load_state_dict(weights)
    return model


def read(path: str | os.PathLike[str]) -> tuple[Tensors, dict[str, str]]:
    """Read a file of ours: its tensors, and the texts of its metadata."""
    safetensors = _safetensors()
    tensors: Tensors = {}
    try:
        with safetensors.safe_open(os.fspath(path), framework="numpy") as file:
            texts = dict(file.metadata() or {})
            for name in file.keys():  # noqa: SIM118 (not a dict)
                tensors[name] = file.get_tensor(name)
    except safetensors.SafetensorError as error:
        raise ValueError(f"[load] {path} is not a readable safetensors file; is it complete?") from error
    if texts.get("format") != FORMAT:
        raise ValueError(f"[load] {path} was not written by this fallline (its format is {texts.get('format')!r})")
    return tensors, texts


def read_history(path: str | os.PathLike[str]) -> dict[str, list[float]]:
    """Read the history that a file was saved with; empty where there is none."""
    texts = read(path)[1]
    history: dict[str, list[float]] = json.loads(texts.get("history", "{}"))
    return history


def describe(module: nn.Module) -> dict[str, Any] | None:
    """Return a layer's name and arguments as JSON takes them, or None for a class that is not fallline's.

    A layer keeps each argument under its own name; `bias` and other optional parameters count as true when there.
    """
    kind = type(module)
    if getattr(nn, kind.__name__, None) is not kind:
        return None
    if isinstance(module, nn.Sequential):
        layers = [describe(layer) for layer in module]
        return None if None in layers else {"type": kind.__name__, "layers": layers}
    arguments: dict[str, Any] = {}
    for name, parameter in inspect.signature(kind).parameters.items():
        if name == "dtype":
            arguments[name] = next((a.dtype.name for a in module.state_dict().values() if a.dtype.kind == "f"), None)
            continue
        if not hasattr(module, name):
            continue  # such as the generator that drew the weights
        value = getattr(module, name)
        if isinstance(parameter.default, bool):
            value = value is not None and value is not False
        if not isinstance(value, (bool, int, float, str, tuple, list, type(None))):
            return None
        arguments[name] = value
    return {"type": kind.__name__, "arguments": arguments}


def build(description: Mapping[str, Any]) -> nn.Module:
    """Make the layers that `describe` described, with fresh parameters."""
    layer = getattr(nn, description["type"])
    if "layers" in description:
        made: nn.Module = layer(*map(build, description["layers"]))
    else:
        arguments = {k: tuple(v) if isinstance(v, list) else v for k, v in description["arguments"].items()}
        made = layer(**arguments)
    return made


def _build_from(path: Path, texts: Mapping[str, str], weights: Tensors) -> nn.Module:
    if "model" not in texts:
        raise ValueError(
            f"[load] {path} holds a model of the class {texts.get('class')!r}, which is not fallline's: "
            "make one and pass it, fl.load(path, model)"
        )
    try:
        return build(json.loads(texts["model"]))
    except (AttributeError, KeyError, TypeError, ValueError) as error:
        raise ValueError(f"[load] {path} describes layers that this fallline does not know: {error}") from error


def _check_fit(path: Path, model: nn.Module, weights: Tensors) -> None:
    mine = {name: tuple(np.shape(value)) for name, value in model.state_dict().items()}
    theirs = {name: value.shape for name, value in weights.items()}
    for name in (*mine, *theirs):
        if mine.get(name) != theirs.get(name):
            raise ValueError(
                f"[load] {path} does not fit the model: {name} is {theirs.get(name, 'absent')} in the file "
                f"and {mine.get(name, 'absent')} in the model"
            )


def write_atomically(path: Path, content: bytes) -> None:
    """Put `content` at `path`, whole or not at all, even when the machine stops in between."""
    _sweep(path)
    temporary = path.with_name(f".{path.name}.{os.getpid()}.part")
    try:
        with temporary.open("wb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        temporary.replace(path)
    except BaseException:
        temporary.unlink(missing_ok=True)
        raise
    if os.name == "posix":  # elsewhere a folder cannot be opened, and the rename is journalled
        folder = os.open(path.parent, os.O_RDONLY)
        try:
            os.fsync(folder)
        finally:
            os.close(folder)


def _sweep(path: Path) -> None:
    """Remove what a writer that died left beside `path`."""
    for stale in path.parent.glob(f".{path.name}.*.part"):
        owner = stale.name.split(".")[-2]
        if owner.isdigit() and int(owner) != os.getpid() and not _runs(int(owner)):
            stale.unlink(missing_ok=True)


def _runs(process: int) -> bool:
    if os.name != "posix":
        return True  # os.kill(pid, 0) would end it there
    try:
        os.kill(process, 0)
    except ProcessLookupError:
        return False
    except OSError:
        return True
    return True


def _in_order(content: bytes) -> bytes:
    """Sort the metadata, which safetensors leaves in an order of chance: the same model gives the same bytes."""
    start = 8 + int.from_bytes(content[:8], "little")
    header = json.loads(content[8:start])
    header["__metadata__"] = dict(sorted(header["__metadata__"].items()))
    text = json.dumps(header, separators=(",", ":")).encode()
    text += b" " * (-len(text) % 8)
    return len(text).to_bytes(8, "little") + text + content[start:]


def _plain(value: Any) -> NDArray[Any]:
    return np.ascontiguousarray(np.asarray(value)).reshape(np.shape(value))


def _numbers(values: Any) -> Any:
    return np.asarray(values).tolist()


def _pack(tree: Any, name: str, tensors: Tensors) -> Any:
    """Replace the arrays of a tree by their names, and collect them."""
    if isinstance(tree, Mapping):
        return {"dict": {str(k): _pack(v, f"{name}/{k}" if name else str(k), tensors) for k, v in tree.items()}}
    if isinstance(tree, (list, tuple)):
        return {"list": [_pack(v, f"{name}/{i}", tensors) for i, v in enumerate(tree)]}
    if tree is None or isinstance(tree, (bool, int, float, str)):
        return {"value": tree}
    if isinstance(tree, np.generic):
        return {"value": tree.item()}
    tensors[name] = _plain(tree)
    return {"tensor": name}


def _unpack(packed: Mapping[str, Any], tensors: Tensors) -> Any:
    if "dict" in packed:
        return {key: _unpack(value, tensors) for key, value in packed["dict"].items()}
    if "list" in packed:
        return [_unpack(value, tensors) for value in packed["list"]]
    if "tensor" in packed:
        return tensors[OPTIMIZER + packed["tensor"]]
    return packed["value"]


def _safetensors() -> Any:
    try:
        import safetensors.numpy
    except ModuleNotFoundError as error:
        raise ModuleNotFoundError("saving and loading need safetensors: pip install 'fallline[io]'") from error
    return safetensors
