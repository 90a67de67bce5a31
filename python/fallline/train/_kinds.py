"""What may the arguments of fit, predict, evaluate, save and load be?  Kinds for `takes`."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from fallline._arguments import Kind, flag, listed, number, one_of, optional, whole
from fallline.nn import Module, losses
from fallline.optim import Optimizer
from fallline.train._batches import BatchSizeSchedule
from fallline.train._predictor import Predictor
from fallline.train.callbacks._protocol import Callback
from fallline.train.metrics._metric import Metric


def _instance(*kinds: type) -> Any:
    def accept(value: Any) -> Any:
        if not isinstance(value, kinds):
            raise TypeError
        return value

    return accept


def _library(value: Any) -> str:
    """Return the package that a value's class, or one that it inherits from, comes from."""
    names = [base.__module__.partition(".")[0] for base in type(value).__mro__]
    return next((name for name in names if name in ("torch", "keras", "sklearn", "flax", "equinox")), "")


def _model_way_out(value: Any) -> str:
    if _library(value) == "torch":
        return (
            "build the same from the layers of fl.nn, which bear PyTorch's names, and give it the weights: "
            "model.load_state_dict({name: w.numpy() for name, w in torch_model.state_dict().items()})"
        )
    if isinstance(value, str | os.PathLike):
        return "load it first: fl.load(path)"
    if isinstance(value, list | tuple):
        return "put the layers in fl.nn.Sequential(*layers)"
    return "put a function among the layers of fl.nn.Sequential" if callable(value) else ""


def _name_or_function(value: Any) -> Any:
    if isinstance(value, type) or _library(value) or not (isinstance(value, str) or callable(value)):
        raise TypeError
    return value


def _metric(value: Any) -> Any:
    return value if isinstance(value, Metric) else _name_or_function(value)


def _loss_way_out(value: Any) -> str:
    return "losses are functions in fl.nn.losses" if _library(value) else f"there are {', '.join(losses._BY_NAME)}"


def _optimizer(value: Any) -> Any:
    if not isinstance(value, str | Optimizer):
        raise TypeError
    return value


def _optimizer_way_out(value: Any) -> str:
    return f"PyTorch's {type(value).__name__} has a namesake in fl.optim" if _library(value) == "torch" else ""


def _callback(value: Any) -> Any:
    if isinstance(value, type) or not (callable(value) or isinstance(value, Callback)):
        raise TypeError
    return value


def _batch_size(value: Any) -> Any:
    function = callable(value) and not isinstance(value, type)
    return value if function or isinstance(value, BatchSizeSchedule) else _fixed_batch_size(value)


def _count(value: Any) -> int:
    try:
        return int(whole(1).accept(value))
    except TypeError:
        raise ValueError from None


def _fixed_batch_size(value: Any) -> Any:
    return value if isinstance(value, str) and value == "full" else _count(value)


def _pair(value: Any) -> Any:
    if not isinstance(value, tuple | list):
        raise TypeError
    if len(value) != 2:
        raise ValueError
    return value


def _pair_way_out(value: Any) -> str:
    if isinstance(value, float):
        return f"a share of the samples is validation_split={value!r}"
    return "write validation=(x, y)"


def _class_weight(value: Any) -> Any:
    if isinstance(value, str):
        if value != "balanced":
            raise ValueError
        return value
    pairs = value if isinstance(value, Mapping) else dict(enumerate(value))
    return {whole(0).accept(label): number("", lambda w: True).accept(weight) for label, weight in pairs.items()}


def _path(value: Any) -> Any:
    if not isinstance(value, str | os.PathLike):
        raise TypeError
    return os.fspath(value)


def _file(value: Any) -> Any:
    if Path(_path(value)).is_dir():
        raise ValueError
    return value


def _folder(value: Any) -> Any:
    if Path(_path(value)).exists() and not Path(value).is_dir():
        raise ValueError
    return value


def _path_way_out(value: Any) -> str:
    return "the path comes first: fl.save(path, model)" if isinstance(value, Module | Predictor) else ""


model = Kind("a fl.nn.Module", _instance(Module), _model_way_out)
predictor = Kind("a fl.nn.Module or a fl.train.Predictor", _instance(Module, Predictor), _model_way_out)
loss = Kind("the name of a loss or a function of (outputs, targets)", _name_or_function, _loss_way_out)
metrics = listed(
    Kind("the name of a metric or a function of (outputs, targets)", _metric),
    "a list of names of metrics, or of functions",
)
optimizer = Kind("the name of an optimizer or an instance, such as fl.optim.Adam(1e-3)", _optimizer, _optimizer_way_out)
instance = Kind("an optimizer, such as fl.optim.Adam(1e-3)", _instance(Optimizer), _optimizer_way_out)
callbacks = listed(
    Kind("one of fl.train.callbacks or a function of (epoch, history, model, optimizer)", _callback),
    "a list of callbacks",
)
batch_size = Kind("a function of the finished epochs, a positive whole number or 'full'", _batch_size, whole(1).way_out)
fixed_batch_size = Kind("a positive whole number or 'full'", _fixed_batch_size, whole(1).way_out)
pair = Kind("a pair (x, y)", _pair, _pair_way_out)
class_weight = Kind('a dict from labels to weights, a list of them, or "balanced"', _class_weight)
epochs, seed = whole(0), whole(0, 2**63 - 1)
positive = number("positive", lambda x: x > 0)
on_interrupt = one_of("raise", "return")
path = Kind("the path of a file, no folder", _file, _path_way_out)
folder = Kind("the path of a folder, which may be absent", _folder, _path_way_out)
history = Kind("what fit returned", _instance(Mapping))

FIT = {
    "model": model,
    "loss": loss,
    "optimizer": optimizer,
    "batch_size": batch_size,
    "epochs": epochs,
    "validation": optional(pair),
    "metrics": metrics,
    "callbacks": callbacks,
    "shuffle": flag,
    "seed": seed,
    "progress": flag,
    "clip_value": optional(positive),
    "clip_norm": optional(positive),
    "clip_global_norm": optional(positive),
    "adaptive_clip": optional(positive),
    "class_weight": optional(class_weight),
    "validation_split": number("at least 0 and below 1", lambda x: 0 <= x < 1),
    "validation_freq": whole(1),
    "initial": flag,
    "accumulate": whole(1),
    "ema": optional(number("at least 0 and below 1", lambda x: 0 <= x < 1)),
    "swa": optional(whole(0)),
    "drop_last": flag,
    "max_steps": optional(whole(1)),
    "max_time": optional(positive),
    "record_steps": flag,
    "resume": optional(folder),
    "on_interrupt": on_interrupt,
    "teach": flag,
}
PREDICT = {"model": predictor, "batch_size": fixed_batch_size}
EVALUATE = {"model": model, "loss": loss, "metrics": metrics, "batch_size": fixed_batch_size}
SAVE = {"path": path, "model": predictor, "opt": optional(instance), "history": optional(history)}
LOAD = {"path": path, "model": optional(model), "opt": optional(instance)}
PLAN = {key: EVALUATE[key] for key in ("model", "loss", "metrics", "batch_size")}
STATISTICS = {"model": model, "batch_size": fixed_batch_size}
