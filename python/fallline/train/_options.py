"""What a training is told, chosen together: optimizer, loss, batch size, rate and all the rest."""

from __future__ import annotations

import copy
import json
import os
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from fallline import optim
from fallline._arguments import bind, check, takes
from fallline.nn import losses
from fallline.optim._schedule import Schedule
from fallline.train import _kinds
from fallline.train._fit import fit
from fallline.train._writing import write_atomically

__all__ = ["Options"]


class Options(Mapping[str, Any]):
    """Arguments of :func:`fallline.fit`, checked, frozen, and to be printed, compared, saved and used again (R16).

    Parameters
    ----------
    **options
        Keywords of `fit`; and ``lr`` for an optimizer that is given by name.

    Notes
    -----
    The optimizer is a copy each time that it is asked for, so that several models can be trained with the same options.
    What was not given is left to `fit`.

    Examples
    --------
    >>> import numpy as np, fallline as fl
    >>> options = fl.train.Options(optimizer="adam", lr=0.01, loss="mse", batch_size=16)
    >>> options
    Options(optimizer=Adam(lr=0.01), loss='mse', batch_size=16)
    >>> options.replace(batch_size=32) == options
    False
    >>> x = np.ones((64, 1), np.float32)
    >>> history = fl.fit(fl.nn.Linear(1, 1), x, x, **options, progress=False)
    """

    _given: dict[str, Any]

    def __init__(self, **options: Any) -> None:
        given = dict(options)
        rate = {"lr": given.pop("lr")} if "lr" in given else {}
        bind("Options", fit, (None, None, None), {"loss": "mse", **given}, "fit")
        kinds = fit.kinds  # type: ignore[attr-defined]
        given = {name: check("Options", name, kinds[name], v) if name in kinds else v for name, v in given.items()}
        if rate and not isinstance(given.get("optimizer", "adam"), str):
            raise ValueError(f"[Options] lr belongs to an optimizer given by name; {given['optimizer']!r} has its own")
        if rate:
            given["optimizer"] = optim.get(given.get("optimizer", "adam"), **rate)
        self.__dict__["_given"] = given

    def __getitem__(self, name: str) -> Any:
        value = self._given[name]
        return copy.deepcopy(value) if isinstance(value, optim.Optimizer) else value

    def __iter__(self) -> Iterator[str]:
        return iter(self._given)

    def __len__(self) -> int:
        return len(self._given)

    def __getattr__(self, name: str) -> Any:
        if name.startswith("_"):
            raise AttributeError(name)
        if name in self._given:
            return self[name]
        raise AttributeError(f"[Options] {name!r} was not given; there are {', '.join(self)}")

    def __setattr__(self, name: str, value: Any) -> None:
        raise AttributeError(f"[Options] options are frozen; make others: options.replace({name}=...)")

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Options) and _told(self) == _told(other)

    def __hash__(self) -> int:
        return hash(tuple(sorted(_told(self).items())))

    def __repr__(self) -> str:
        return f"Options({', '.join(f'{name}={text}' for name, text in _told(self).items())})"

    def replace(self, **changes: Any) -> Options:
        """Return options with others in the place of these."""
        found = dict(self) | changes
        if "optimizer" not in changes and isinstance(found.get("optimizer"), optim.Optimizer) and "lr" in changes:
            found["optimizer"].set_hyperparameters(lr=found.pop("lr"))
        return Options(**found)

    def __reduce__(self) -> Any:
        return Options._of, (self._given,)

    @classmethod
    def _of(cls, given: dict[str, Any]) -> Options:
        return cls(**given)

    @takes(path=_kinds.path)
    def save(self, path: str | os.PathLike[str]) -> None:
        """Write them to a file of JSON; ValueError for functions and objects that only a program can make."""
        described = {name: _described(name, value) for name, value in self._given.items()}
        write_atomically(Path(path), (json.dumps(described, indent=1) + "\n").encode())

    @classmethod
    def load(cls, path: str | os.PathLike[str]) -> Options:
        """Read what `save` wrote; nothing in the file is run."""
        try:
            described = json.loads(Path(path).read_text(encoding="utf-8"))
            return cls(**{name: _made(value) for name, value in described.items()})
        except (AttributeError, KeyError, UnicodeDecodeError, json.JSONDecodeError) as error:
            raise ValueError(f"[Options] {path} does not hold options ({error})") from error


def _told(options: Options) -> dict[str, str]:
    return {name: repr(value) for name, value in options._given.items()}


def _described(name: str, value: Any) -> Any:
    if isinstance(value, optim.Optimizer):
        names = [text.partition("=")[0] for text in value._told()] if value.by_name else []
        found = {"rule": type(value).__name__, "arguments": {n: _described(n, getattr(value, n)) for n in names}}
        if names and repr(_made(found)) == repr(value):
            return found
    elif isinstance(value, Schedule):
        arguments = {key: _described(name, part) for key, part in value.arguments}
        return {"schedule": value.name, "arguments": arguments, "per": value.per, "steps": value.steps_per_epoch}
    elif callable(value) and value in losses._BY_NAME.values():
        return next(known for known, loss in losses._BY_NAME.items() if loss is value)
    elif isinstance(value, list | tuple):
        return [_described(name, part) for part in value]
    elif isinstance(value, dict):
        return {"pairs": [[key, _described(name, part)] for key, part in value.items()]}
    elif value is None or isinstance(value, bool | int | float | str):
        return value
    raise ValueError(f"[Options] {name}={value!r} cannot be saved: only names, numbers, rules and schedules can")


def _made(found: Any) -> Any:
    if isinstance(found, list):
        return tuple(map(_made, found))
    if not isinstance(found, dict):
        return found
    if "pairs" in found:
        return {key: _made(value) for key, value in found["pairs"]}
    arguments = {key: _made(value) for key, value in found["arguments"].items()}
    if "rule" in found:
        return optim.get(found["rule"], **arguments)
    return Schedule(found["schedule"], tuple(arguments.items()), found["per"], found["steps"])
