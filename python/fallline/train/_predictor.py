"""What predicts from raw tables: a network together with the encoders that it was fitted with."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np
from numpy.typing import NDArray

from fallline._array import Array, asarray
from fallline.nn import Module

if TYPE_CHECKING:
    from fallline.data.encode import Columns
    from fallline.data.matrix import Matrix
    from fallline.data.target import Target

__all__ = ["Predictor"]


class Predictor:
    """A network with its encoders: what ``fl.load`` returns for a file that ``fallline fit`` wrote.

    Data are the path of a file as for ``fallline predict``, a table (a dict of columns, a frame of pandas or Polars),
    or an array of samples where the model was fitted to arrays. Missing numbers are filled, categories and units are
    those of the file that it was fitted to. ``fl.predict(predictor, data)`` gives the network's outputs: logits for
    classes, numbers in their own units, shape (n, 1).

    Attributes
    ----------
    network
        The module alone; it takes encoded inputs.
    features, target
        How inputs become numbers, and numbers predictions.
    loss
        The name of the loss that it was trained with.

    Examples
    --------
    >>> import fallline as fl
    >>> model = fl.load("model.safetensors")  # doctest: +SKIP
    >>> model.predict("new.csv")  # doctest: +SKIP
    >>> model.predict({"rooms": [3, 5], "region": ["north", None]})  # doctest: +SKIP
    """

    KEYS: ClassVar[tuple[str, ...]] = ("features", "target", "loss")

    def __init__(self, network: Module, features: Columns | Matrix, target: Target, loss: str) -> None:
        self.network, self.features, self.target, self.loss = network, features, target, loss

    @classmethod
    def from_description(cls, network: Module, described: Mapping[str, Any]) -> Predictor:
        """Put encoders around a network; ValueError where they do not belong together."""
        from fallline.data import encode, target

        features, aim = encode.from_description(described["features"]), target.from_description(described["target"])
        made = cls(network, features, aim, str(described["loss"]))
        made._check()
        return made

    def describe(self) -> dict[str, str]:
        """Return the encoders as texts for a file."""
        described = {"features": self.features.describe(), "target": self.target.describe(), "loss": self.loss}
        return {key: json.dumps(value) for key, value in described.items()}

    def predict(self, data: Any) -> NDArray[Any]:
        """Return one label, or one number in the target's own units, for each row.

        Parameters
        ----------
        data
            A path, a table, or an array of samples.

        Returns
        -------
        ndarray
            (n,) of str for classes, of float64 for numbers.
        """
        return self.target.decode(self.logits(self.encode(data)))

    def predict_proba(self, data: Any) -> NDArray[np.float64]:
        """Return the probability of each class for each row: (n, classes), in the order of ``target.classes``."""
        return self.target.probabilities(self.logits(self.encode(data)))

    def outputs(self, data: Any) -> Array:
        """Return what ``fl.predict`` returns: logits, or numbers in the target's own units."""
        outputs = self.logits(self.encode(data))
        return asarray(outputs if hasattr(self.target, "classes") else self.target.decode(outputs)[:, None])

    def encode(self, data: Any, notes: list[str] | None = None) -> NDArray[np.float32]:
        """Return the network's inputs for raw data, and say in `notes` what was filled or not known."""
        from fallline.data import raw

        found: Any = raw.fitting(raw.opened(data), self.features)
        return self.features.encode(found, [] if notes is None else notes)

    def logits(self, x: NDArray[np.float32]) -> NDArray[Any]:
        """Return the network's outputs for encoded inputs; ValueError where one is not finite."""
        from fallline.train._evaluate import predict

        outputs = np.asarray(predict(self.network, x))
        bad = ~np.isfinite(outputs).reshape(len(outputs), -1).all(axis=1)
        if bad.any():
            raise ValueError(f"the network's output for row {int(np.argmax(bad)) + 1} is not a finite number")
        return outputs

    def _check(self) -> None:
        """Look at the weights, and at the widths of both ends without computing anything."""
        from fallline.train._steps import output_layout

        for path, array in self.network.state_dict().items():
            if array.dtype.kind == "f" and not np.isfinite(np.asarray(array)).all():
                raise ValueError(f"the weights {path!r} are not all finite numbers")
        if self.loss not in self.target.LOSSES:
            raise ValueError(f"the loss {self.loss[:60]!r} is none for this target")
        width = 1 if self.loss == "binary_cross_entropy" else self.target.outputs
        shape, _ = output_layout(self.network, asarray(np.zeros((2, self.features.size), np.float32)))
        if shape != (2, width):
            raise ValueError(f"the network gives outputs of shape {shape[1:]}, the target takes {width}")

    def __repr__(self) -> str:
        return f"Predictor({self.target!r},\n  {self.features!r},\n  {self.network!r})"
