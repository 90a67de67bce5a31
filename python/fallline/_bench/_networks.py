"""Which networks are trained?  Described once, built by every contender from the same weights."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

import numpy as np

from fallline import nn, random

Layer = tuple[
    Any, ...
]  # ("linear", in, out), ("conv", in, out, size, padding), ("relu",), ("tanh",), ("pool",), ("flatten",)


@dataclass(frozen=True)
class Net:
    """A training step: layers, loss, batch and optimizer."""

    name: str
    layers: tuple[Layer, ...]
    sample: tuple[int, ...]
    batch: int
    optimizer: str = "adam"
    loss: str = "cross_entropy"

    @property
    def outputs(self) -> int:
        """The width of the last layer."""
        return int(next(layer[2] for layer in reversed(self.layers) if layer[0] == "linear"))

    @property
    def lr(self) -> float:
        """The learning rate: small enough that all contenders stay close to each other."""
        return 1e-3 if self.optimizer == "adam" else 1e-2

    @property
    def is_mlp(self) -> bool:
        """Whether all layers are dense, with relu between them."""
        return all(layer[0] in ("linear", "relu", "tanh") for layer in self.layers)

    def model(self) -> nn.Sequential:
        """Return the model of ours, with weights that depend on the net alone."""
        rng = random.default_rng(len(self.name))
        make: dict[str, Callable[..., nn.Module]] = {
            "linear": lambda i, o: nn.Linear(i, o, rng=rng),
            "conv": lambda i, o, k, p: nn.Conv2d(i, o, k, padding=p, rng=rng),
            "relu": nn.ReLU,
            "tanh": nn.Tanh,
            "pool": lambda: nn.MaxPool2d(2),
            "flatten": nn.Flatten,
        }
        return nn.Sequential(*(make[kind](*sizes) for kind, *sizes in self.layers))

    def weights(self) -> list[np.ndarray]:
        """Return copies of the first weights, as (out, in) or (out, in, height, width), each followed by its bias."""
        return [np.array(a, np.float32) for a in self.model().state_dict().values()]

    def data(self, steps: int) -> tuple[np.ndarray, np.ndarray]:
        """Return so many batches of samples around one centre per class, and their labels."""
        rng = np.random.default_rng(0)
        n = steps * self.batch
        classes = max(self.outputs, 2)
        centres = rng.normal(size=(classes, *self.sample)).astype(np.float32)
        labels = rng.integers(0, classes, n)
        x = rng.standard_normal((n, *self.sample), np.float32)
        x += 0.3 * centres[labels]
        if self.loss == "mse":
            return x, labels.astype(np.float32)[:, None]
        return x, labels

    def flops(self) -> float:
        """Return the multiplications and additions of all products of a step; no input gradient for the first layer."""
        total, shape, first = 0.0, self.sample, True
        for kind, *sizes in self.layers:
            if kind == "linear":
                work = 2.0 * sizes[0] * sizes[1]
                shape = (sizes[1],)
            elif kind == "conv":
                i, o, k, p = sizes
                shape = (o, shape[1] + 2 * p - k + 1, shape[2] + 2 * p - k + 1)
                work = 2.0 * i * k * k * np.prod(shape)
            else:
                if kind == "pool":
                    shape = (shape[0], shape[1] // 2, shape[2] // 2)
                continue
            total += work * (2 if first else 3)
            first = False
        return total * self.batch

    def parameters(self) -> int:
        """Return the number of parameters."""
        return sum(a.size for a in self.weights())


def _mlp(name: str, sizes: Sequence[int], batch: int, activation: str = "relu", **options: Any) -> Net:
    layers: list[Layer] = []
    for i, o in pairwise(sizes):
        layers += [("linear", i, o), (activation,)]
    return Net(f"{name} {'-'.join(map(str, sizes))}, batch {batch}", tuple(layers[:-1]), (sizes[0],), batch, **options)


_LENET: tuple[Layer, ...] = (
    *(("conv", 1, 6, 5, 0), ("relu",), ("pool",), ("conv", 6, 16, 5, 0), ("relu",), ("pool",), ("flatten",)),
    *(("linear", 256, 120), ("relu",), ("linear", 120, 84), ("relu",), ("linear", 84, 10)),
)
_WIDE: tuple[Layer, ...] = (
    *(("conv", 1, 32, 5, 2), ("relu",), ("pool",), ("conv", 32, 64, 5, 2), ("relu",), ("pool",), ("flatten",)),
    *(("linear", 3136, 1024), ("relu",), ("linear", 1024, 10)),
)

NETS = (
    _mlp("S1", (2, 16, 1), 4, "tanh", optimizer="sgd", loss="mse"),
    _mlp("S2", (4, 32, 32, 3), 32),
    _mlp("S3", (13, 64, 64, 1), 32, loss="mse"),
    _mlp("S4", (784, 128, 10), 32),
    _mlp("S5", (784, 512, 256, 10), 128),
    _mlp("S6", (1024, 1024, 1024, 1024), 256),
    Net("S7 LeNet-5, batch 32", _LENET, (1, 28, 28), 32),
    Net("S8 LeNet-5, batch 128", _LENET, (1, 28, 28), 128),
    _mlp("S9", (784, 32, 10), 1, optimizer="sgd"),
    Net("S10 conv 32-64 5x5, dense 1024, batch 128", _WIDE, (1, 28, 28), 128),
)
