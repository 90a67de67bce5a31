"""Files of models. What they are made of is imported on the first use: `import fallline` stays quick."""

from __future__ import annotations

import os
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from fallline._arguments import takes
from fallline.train import _kinds

if TYPE_CHECKING:
    from fallline.nn import Module
    from fallline.optim import Optimizer
    from fallline.train._predictor import Predictor

__all__ = ["load", "save"]


@takes(**_kinds.SAVE)
def save(
    path: str | os.PathLike[str],
    model: Module | Predictor,
    opt: Optimizer | None = None,
    history: Mapping[str, Any] | None = None,
    *,
    metadata: Mapping[str, str] | None = None,
) -> None:
    """Write a model, and if given its optimizer's state and its history, to one file.

    The file appears whole or not at all: it is written beside its place, synced, and renamed.

    Parameters
    ----------
    path
        The file to write, by custom `model.safetensors`.
    model
        Its parameters and, where it is made of fallline's own layers, its architecture; a warning names the first layer
        of another kind, which then has to be there at loading. A :class:`fallline.train.Predictor` keeps its encoders.
    opt
        An optimizer whose state is to be continued.
    history
        What `fit` returned.
    metadata
        Further texts to keep in the file.

    Examples
    --------
    >>> import fallline as fl
    >>> model = fl.nn.Sequential(fl.nn.Linear(4, 3), fl.nn.ReLU(), fl.nn.Linear(3, 2))
    >>> fl.save("model.safetensors", model)  # doctest: +SKIP
    >>> fl.load("model.safetensors")  # doctest: +SKIP
    """
    from fallline.train import _checkpoint

    _checkpoint.save(path, model, opt, history, metadata=metadata)


@takes(**_kinds.LOAD)
def load(path: str | os.PathLike[str], model: Module | None = None, opt: Optimizer | None = None) -> Any:
    """Read what `save` wrote: into `model` and `opt` where given, else into a new model.

    Nothing is changed unless all of it fits. The file may come from a stranger: nothing in it is run, no more memory is
    taken than its tensors take, and damage of any kind is a ValueError.

    Parameters
    ----------
    path
        The file to read.
    model
        Takes the parameters; without it the model is built from the file's description.
    opt
        Takes the optimizer's state, so that training goes on where it ended.

    Returns
    -------
    Module or Predictor
        `model`, or a new one; where the file says how to encode data, as those of ``fallline fit`` do, a
        :class:`fallline.train.Predictor`, which predicts from raw tables.
    """
    from fallline.train import _checkpoint

    return _checkpoint.load(path, model, opt)
