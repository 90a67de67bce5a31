"""Samples in pieces: shuffled, weighted, stratified, transformed, and made ready on a thread."""

from __future__ import annotations

import queue
import threading
from collections.abc import Callable, Iterable, Iterator
from typing import Any

import numpy as np

from fallline import _core
from fallline._arguments import flag, function, optional, takes, whole
from fallline.train import _kinds
from fallline.train._batches import batch_of
from fallline.train._data import ORDER, as_rows, check_rows, is_sparse

__all__ = ["Again", "Loader", "Piece", "ahead", "piece_of"]

Piece = tuple[Any, Any, Any]  # x, y, weights or None: rows of the same samples


class Loader:
    """Batches of samples, in a new order at each pass.

    Pass it to `fit` instead of x and y, or go through it in a loop of your own. With the same seed and batch size `fit`
    takes the samples in the order that it gives them itself.

    Parameters
    ----------
    x, y
        Samples along the first axis: arrays, memory-mapped ones too, frames, sparse matrices of SciPy.
    batch_size
        Samples in a batch; the last one is shorter, unless `drop_last`.
    shuffle, seed
        Whether each pass has a new order, and what orders, draws and transforms depend on.
    sample_weight
        (n,): what samples count in loss and metrics.
    probabilities
        (n,): how often each sample shall be drawn beside the others; then samples are drawn with replacement.
    stratify
        Whether every batch has the classes of y in about the proportions of all.
    transform
        A function of (x, y, rng) that returns other x and y for a batch; rng is NumPy's, keyed by seed, pass and batch.
    prefetch
        How many batches a thread makes ready ahead; 0: none.

    Examples
    --------
    >>> import numpy as np, fallline as fl
    >>> x, y = np.arange(10.0)[:, None], np.arange(10) % 2
    >>> flipped = lambda x, y, rng: (np.where(rng.random(len(x)) < 0.5, -x.T, x.T).T, y)
    >>> loader = fl.train.Loader(x, y, batch_size=4, transform=flipped)
    >>> len(loader), [len(batch[0]) for batch in loader]
    (3, [4, 4, 2])
    """

    @takes(
        batch_size=_kinds.fixed_batch_size,
        shuffle=flag,
        seed=_kinds.seed,
        stratify=flag,
        transform=optional(function),
        prefetch=whole(0),
        drop_last=flag,
    )
    def __init__(
        self,
        x: Any,
        y: Any,
        *,
        batch_size: int | str = 32,
        shuffle: bool = True,
        seed: int = 0,
        sample_weight: Any = None,
        probabilities: Any = None,
        stratify: bool = False,
        transform: Callable[[Any, Any, np.random.Generator], tuple[Any, Any]] | None = None,
        drop_last: bool = False,
        prefetch: int = 2,
    ) -> None:
        self._x: Any = x.tocsr() if is_sparse(x) else np.asarray(as_rows("x", x, "Loader"))
        self._y = np.asarray(as_rows("y", y, "Loader"))
        self._weight = None if sample_weight is None else np.asarray(as_rows("sample_weight", sample_weight, "Loader"))
        self._size = check_rows({"x": self._x, "y": self._y, "sample_weight": self._weight}, "Loader")
        self.batch_size, self.shuffle, self.seed = batch_of(batch_size, self._size), shuffle, seed
        self._probabilities = None if probabilities is None else _shares(probabilities, self._size)
        if stratify and (self._y.ndim != 1 or self._y.dtype.kind not in "iub"):
            raise ValueError(f"[Loader] stratify takes labels (n,), got y of shape {self._y.shape}, {self._y.dtype}")
        if stratify and probabilities is not None:
            raise ValueError("[Loader] stratify and probabilities both say which samples come; give one of them")
        self.stratify, self.transform, self.drop_last, self.prefetch = stratify, transform, drop_last, prefetch
        self.epoch = 0  # passes that a loop has made

    @property
    def samples(self) -> int:
        """How many samples a pass has."""
        return self._size // self.batch_size * self.batch_size if self.drop_last else self._size

    def __len__(self) -> int:
        return -(-self.samples // self.batch_size)

    def __iter__(self) -> Iterator[Any]:
        """Go through the batches: (x, y), or (x, y, weights) where there are weights."""
        pieces, self.epoch = ahead(self.pieces(self.epoch), self.prefetch), self.epoch + 1
        return ((x, y) if weight is None else (x, y, weight) for x, y, weight in pieces)

    def pieces(self, epoch: int) -> Iterator[Piece]:
        """Yield the batches of a pass."""
        order = self._order(epoch)
        for number, start in enumerate(range(0, self.samples, self.batch_size)):
            rows = slice(start, min(start + self.batch_size, self.samples))
            at = rows if order is None else order[rows]
            x: Any = self._x[at]
            y = self._y[at]
            x = x.toarray() if is_sparse(x) else x
            if self.transform is not None:
                x, y = self.transform(x, y, np.random.default_rng([self.seed, epoch, number]))
            yield x, y, None if self._weight is None else self._weight[at]

    def _order(self, epoch: int) -> np.ndarray | None:
        rng = np.random.default_rng([self.seed, epoch])
        if self._probabilities is not None:
            return rng.choice(self._size, self._size, p=self._probabilities)
        mixed = random_rows(self.seed, epoch, self._size) if self.shuffle else None
        if not self.stratify:
            return mixed
        mixed = np.arange(self._size) if mixed is None else mixed
        return mixed[np.argsort(_places(self._y[mixed], rng), kind="stable")]


def random_rows(seed: int, epoch: int, samples: int) -> np.ndarray:
    """Return the order that `fit` gives the samples in an epoch."""
    return np.asarray(_core.RandomOrder(_core.derive_key(seed, ORDER), epoch << 32, samples).numbers)


def _places(labels: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Return places between 0 and 1 that spread each class evenly."""
    places = np.empty(len(labels))
    for label in np.unique(labels):
        own = np.flatnonzero(labels == label)
        places[own] = (np.arange(len(own)) + rng.random()) / len(own)
    return places


def _shares(probabilities: Any, samples: int) -> np.ndarray:
    found = np.asarray(probabilities, np.float64)
    if found.shape != (samples,):
        raise _core.ShapeError(f"[Loader] probabilities must have shape ({samples},), got {found.shape}")
    if not (np.isfinite(found).all() and (found >= 0).all() and found.sum() > 0):
        raise ValueError("[Loader] probabilities must be finite, at least 0, and not all 0")
    return np.asarray(found / found.sum())


class Again:
    """Pieces from something that can be gone through again and again, such as a list of batches or a data loader."""

    def __init__(self, source: Callable[[], Iterable[Any]] | Iterable[Any], batch_size: int | str) -> None:
        self._source = source
        counts = [len(piece[0]) for piece in self.pieces(0)]
        self.samples = sum(counts)
        if not self.samples:
            raise _core.ShapeError("[fit] there are no samples: what x gives is empty")
        self.batch_size = batch_of(batch_size, self.samples)
        self.prefetch = 2

    def pieces(self, epoch: int) -> Iterator[Piece]:
        """Yield what the source gives."""
        for number, given in enumerate(self._source() if callable(self._source) else self._source):
            yield piece_of(given, number)


def piece_of(given: Any, number: int) -> Piece:
    """Return a batch that somebody else made as arrays."""
    if not isinstance(given, tuple | list) or len(given) not in (2, 3):
        raise TypeError(
            f"[fit] x gives batches as (x, y) or (x, y, weights), got {type(given).__name__} as number {number}"
        )
    named = zip(("x", "y", "sample_weight"), given, strict=False)
    parts: dict[str, Any] = {name: np.asarray(as_rows(f"{name} of batch {number}", a)) for name, a in named}
    check_rows(parts)
    return parts["x"], parts["y"], parts.get("sample_weight")


def ahead(pieces: Iterator[Any], count: int) -> Iterator[Any]:
    """Yield what an iterator gives, made ready on a thread; an error of it is raised in its place."""
    if not count:
        yield from pieces
        return
    ready: queue.Queue[Any] = queue.Queue(count)
    stopped, end = threading.Event(), object()

    def put(item: Any) -> bool:
        while not stopped.is_set():
            try:
                ready.put(item, timeout=0.05)
                return True
            except queue.Full:
                continue
        return False

    def work() -> None:
        try:
            for piece in pieces:
                if not put((piece, None)):
                    return
            put((end, None))
        except BaseException as error:
            put((end, error))

    thread = threading.Thread(target=work, name="fallline loader", daemon=True)
    thread.start()
    try:
        while True:
            piece, error = ready.get()
            if error is not None:
                raise error
            if piece is end:
                return
            yield piece
    finally:
        stopped.set()
        thread.join()
