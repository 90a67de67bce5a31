"""How is a trained model kept?  One safetensors file: tensors by name, everything else as JSON in its metadata.

Tensors bear the model's own names (`0.weight`), those of the optimizer start with `optimizer/`. A model of fallline's
layers is described by their names and arguments, so that it can be rebuilt without its code; nothing is ever pickled.
"""

from __future__ import annotations

import json
import math
import os
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from fallline import nn
from fallline._arguments import warn
from fallline.nn._unsaved import say_unsaved
from fallline.train._architecture import NotOurs, build, describe
from fallline.train._predictor import Predictor
from fallline.train._writing import write_atomically

if TYPE_CHECKING:
    from fallline.optim import Optimizer

FORMAT = "fallline 1"
OWN_KEYS = frozenset({"format", "class", "model", "stranger", "optimizer", "history", "run"})
WITH_MODEL = "to load it, make the model again and pass it, fl.load(path, model)"
OPTIMIZER, RUN = "optimizer/", "run/"

Tensors = dict[str, NDArray[Any]]


def save(
    path: str | os.PathLike[str],
    model: nn.Module | Predictor,
    opt: Optimizer | None = None,
    history: Mapping[str, Any] | None = None,
    *,
    metadata: Mapping[str, str] | None = None,
) -> None:
    """Write; see `fallline.save`."""
    write_atomically(Path(path), to_bytes(model, opt, history, metadata=metadata))


def to_bytes(
    model: nn.Module | Predictor,
    opt: Optimizer | None = None,
    history: Mapping[str, Any] | None = None,
    *,
    metadata: Mapping[str, str] | None = None,
    weights: Mapping[str, Any] | None = None,
    run: Mapping[str, Any] | None = None,
) -> bytes:
    """Return what `save` writes; with other weights than the model's own, or the state of a training, in silence."""
    texts = {"format": FORMAT}
    network = model.network if isinstance(model, Predictor) else model
    tensors: Tensors = {name: _plain(value) for name, value in (weights or network.state_dict()).items()}
    texts["class"] = type(network).__name__
    for place, part in network.named_modules():
        for attribute, held in vars(part).items():
            say_unsaved(type(part).__name__, attribute, held, f"layer {place}: " if place else "")
    try:
        texts["model"] = json.dumps(describe(network))
    except NotOurs as stranger:
        if stranger.path:  # of a class of one's own it is known
            texts["stranger"] = str(stranger)
            if weights is None and run is None:
                warn(f"[save] {stranger} is no layer that a file describes: {WITH_MODEL}")
    states = {"optimizer": None if opt is None else opt.state_dict(), "run": run}
    for key, state in states.items():
        if state is not None:
            arrays: Tensors = {}
            texts[key] = json.dumps(_pack(state, "", arrays))
            tensors.update({f"{key}/{name}": value for name, value in arrays.items()})
    if history is not None:
        texts["history"] = json.dumps({key: _numbers(history[key]) for key in history})
    for key, text in (metadata or {}).items():
        if key in OWN_KEYS:
            raise ValueError(f"[save] the metadata key {key!r} is fallline's own; choose another")
        texts[key] = text
    if isinstance(model, Predictor):
        texts.update(model.describe())
    return _in_order(_safetensors().numpy.save(tensors, texts))


def load(path: str | os.PathLike[str], model: nn.Module | None = None, opt: Optimizer | None = None) -> Any:
    """Read; see `fallline.load`."""
    tensors, texts = read(path)
    weights = {name: value for name, value in tensors.items() if not name.startswith((OPTIMIZER, RUN))}
    network = _build_from(path, texts, weights) if model is None else model
    _check_fit(path, network, weights)
    if opt is not None:
        if "optimizer" not in texts:
            raise ValueError(f"[load] {path} holds no optimizer state; it was saved without one")
        opt.load_state_dict(_state_of(path, texts, tensors, "optimizer"))  # checks before it changes anything
    network.load_state_dict(weights)
    if model is None and set(Predictor.KEYS) <= texts.keys():
        return _predictor(path, network, {key: _parsed(path, texts, key) for key in Predictor.KEYS})
    return network


def read(path: str | os.PathLike[str]) -> tuple[Tensors, dict[str, str]]:
    """Read a file of ours: its tensors, and the texts of its metadata."""
    safetensors = _safetensors()
    tensors: Tensors = {}
    try:
        with safetensors.safe_open(os.fspath(path), framework="numpy") as file:
            texts = dict(file.metadata() or {})
            for name in file.keys():  # noqa: SIM118 (not a dict)
                tensors[name] = file.get_tensor(name)
    except (safetensors.SafetensorError, AttributeError, TypeError, ValueError) as error:
        raise ValueError(f"[load] {path} is not a readable safetensors file; is it complete?") from error
    if texts.get("format") != FORMAT:
        raise ValueError(f"[load] {path} was not written by this fallline (its format is {texts.get('format')!r:.60})")
    return tensors, texts


def read_run(path: str | os.PathLike[str]) -> dict[str, Any] | None:
    """Read the state of the training that a file was written in; None where it is that of a model alone."""
    tensors, texts = read(path)
    found: dict[str, Any] | None = _state_of(path, texts, tensors, "run") if "run" in texts else None
    return found


def read_history(path: str | os.PathLike[str]) -> dict[str, list[float]]:
    """Read the history that a file was saved with; empty where there is none."""
    texts = read(path)[1]
    history: dict[str, list[float]] = _parsed(path, texts, "history") if "history" in texts else {}
    return history


def _parsed(path: str | os.PathLike[str], texts: Mapping[str, str], key: str) -> Any:
    try:
        return json.loads(texts[key])
    except (KeyError, ValueError, RecursionError) as error:
        raise ValueError(f"[load] {path} is damaged: its {key!r} cannot be read") from error


def _build_from(path: str | os.PathLike[str], texts: Mapping[str, str], weights: Tensors) -> nn.Module:
    if "stranger" in texts:
        raise ValueError(f"[load] {path}: {texts['stranger'][:200]} is no layer that a file describes: {WITH_MODEL}")
    if "model" not in texts:
        raise ValueError(
            f"[load] {path} holds a model of the class {texts.get('class')!r:.60}, which is not fallline's: "
            "make one and pass it, fl.load(path, model)"
        )
    try:
        return build(_parsed(path, texts, "model"), sum(math.prod(tensor.shape) for tensor in weights.values()))
    except (ValueError, RecursionError) as error:
        if str(error).startswith("[load]"):
            raise
        raise ValueError(f"[load] {path} describes a network that cannot be made from its tensors; {error}") from error


def _predictor(path: str | os.PathLike[str], network: nn.Module, described: Mapping[str, Any]) -> Predictor:
    try:
        return Predictor.from_description(network, described)
    except (AttributeError, KeyError, TypeError, ValueError, OverflowError) as error:
        raise ValueError(f"[load] {path} is damaged: its columns and its network do not fit ({error})") from error


def _check_fit(path: str | os.PathLike[str], model: nn.Module, weights: Tensors) -> None:
    mine = {name: (tuple(np.shape(value)), value.dtype.kind) for name, value in model.state_dict().items()}
    theirs = {name: (value.shape, value.dtype.kind) for name, value in weights.items()}
    for name in (*mine, *theirs):
        if mine.get(name) != theirs.get(name):
            raise ValueError(
                f"[load] {path} does not fit the model: {name:.60} is {_layout(theirs.get(name))} in the file "
                f"and {_layout(mine.get(name))} in the model"
            )


def _layout(found: tuple[tuple[int, ...], str] | None) -> str:
    if found is None:
        return "absent"
    return str(found[0]) if found[1] == "f" else f"{found[0]} of kind {found[1]!r}"


def _state_of(path: str | os.PathLike[str], texts: Mapping[str, str], tensors: Tensors, key: str) -> Any:
    own = {name.removeprefix(f"{key}/"): value for name, value in tensors.items() if name.startswith(f"{key}/")}
    try:
        return _unpack(_parsed(path, texts, key), own)
    except (AttributeError, KeyError, TypeError, RecursionError) as error:
        raise ValueError(f"[load] {path} is damaged: the state of its {key} cannot be read") from error


def _in_order(content: bytes) -> bytes:
    """Sort the metadata, which safetensors leaves in an order of chance: the same model gives the same bytes."""
    start = 8 + int.from_bytes(content[:8], "little")
    header = json.loads(content[8:start])
    header["__metadata__"] = dict(sorted(header["__metadata__"].items()))
    text = json.dumps(header, separators=(",", ":")).encode()
    text += b" " * (-len(text) % 8)
    return len(text).to_bytes(8, "little") + text + content[start:]


def _plain(value: Any) -> NDArray[Any]:
    plain: NDArray[Any] = np.ascontiguousarray(np.asarray(value)).reshape(np.shape(value))
    return plain


def _numbers(values: Any) -> Any:
    return [np.asarray(value).tolist() for value in values]


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
        return tensors[packed["tensor"]]
    return packed["value"]


def _safetensors() -> Any:
    try:
        import safetensors.numpy
    except ModuleNotFoundError as error:
        raise ModuleNotFoundError("saving and loading need safetensors: pip install 'fallline[io]'") from error
    return safetensors
