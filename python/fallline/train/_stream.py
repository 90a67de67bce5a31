"""How is an epoch run whose samples come in pieces?  They fill a window of some batches, which native steps go over."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any, NamedTuple

import numpy as np

from fallline import _core
from fallline._array import Array
from fallline.train._data import Data, check_finite, is_sparse
from fallline.train._loader import Again, Loader, Piece, ahead, piece_of

__all__ = ["Opened", "opened"]

WINDOW = 1 << 22  # bytes, or one batch
RUNNING, FINISHED = _core.TrainerState.running, _core.TrainerState.finished


class StreamData(Data):
    """The first piece, which stands for all in traces and checks, and the rest of the epochs in pieces."""

    stream: Loader | Again
    dtype: Any

    @property
    def samples(self) -> int:
        """How many an epoch has."""
        return self.stream.samples

    @property
    def may_skip(self) -> bool:
        """Whether a batch may count nothing; weights of later pieces are not known."""
        return bool(self.weights)

    def order(self, seed: int, epoch: int, shuffle: bool) -> Iterator[Piece]:
        """Return the pieces of an epoch, checked."""
        return ahead(self._checked(epoch), self.stream.prefetch)

    def _checked(self, epoch: int) -> Iterator[Piece]:
        firsts = (self.x, self.y, *(self.weights[:1] or (None,)))
        for piece in self.stream.pieces(epoch):
            for name, first, array in zip(("x", "y", "sample_weight"), firsts, piece, strict=True):
                if (first is None) != (array is None) or (first is not None and first.shape[1:] != array.shape[1:]):
                    raise _core.ShapeError(f"[fit] {name} of a later batch is not like that of the first")
                if array is not None:
                    check_finite(name, _core.wrap(np.ascontiguousarray(array)), self.dtype)
            yield piece

    def window(self, batch: int) -> Data:
        """Return room for some batches."""
        parts = [self.x, self.y, *self.weights[:1]]
        row = sum(a.nbytes // a.shape[0] for a in parts)
        rows = batch * max(1, WINDOW // max(1, row * batch))
        x, y, *weights = (_core.wrap(np.zeros((rows, *a.shape[1:]), a.dtype)) for a in parts)
        return Data(x, y, tuple(weights) * 2)

    def driven(self, trainer: Any, window: Data, batch: int) -> Any:
        """Return what takes the pieces to the window that a trainer reads."""
        return StreamTrainer(trainer, window, batch)


class Opened(NamedTuple):
    """What `fit` was given as x, y and weights: a stream, or None, and the arrays that are there or come first."""

    stream: Loader | Again | None
    x: Any
    y: Any
    weight: Any
    batch_size: Any

    def data(self, arrays: Data, dtype: Any) -> Data:
        """Return the data of a training, whose arrays, or first ones, these are."""
        if self.stream is None:
            return arrays
        found = StreamData(*arrays)
        found.stream, found.dtype = self.stream, dtype
        return found


def opened(x: Any, y: Any, weight: Any, batch_size: Any, *, shuffle: bool, seed: int, whole: str) -> Opened:
    """Look at what kind of data this is; `whole` names an argument that needs all samples at once, or is ""."""
    stream: Loader | Again
    if is_sparse(x):
        stream = Loader(x, y, batch_size=batch_size, shuffle=shuffle, seed=seed, sample_weight=weight)
    elif y is not None:
        return Opened(None, x, y, weight, batch_size)
    elif weight is not None:
        raise ValueError("[fit] weights come with the batches, as (x, y, weights), or are the loader's sample_weight")
    elif isinstance(x, Loader):
        stream = x
    elif isinstance(x, Iterator):  # can be gone through once: kept in memory
        pieces = [piece_of(given, number) for number, given in enumerate(x)]
        if not pieces:
            raise _core.ShapeError("[fit] there are no samples: the generator gave nothing")
        xs, ys, ws = (None if part[0] is None else np.concatenate(part) for part in zip(*pieces, strict=True))
        return Opened(None, xs, ys, ws, batch_size)
    elif callable(x) or (isinstance(x, Iterable) and not hasattr(x, "__array__")):
        stream = Again(x, batch_size)
    else:
        raise TypeError("[fit] y is missing: targets come second, fit(model, x, y, ...)")
    if whole:
        raise ValueError(f"[fit] {whole} needs all samples at once, and these come in pieces")
    first_x, first_y, first_weight = next(stream.pieces(0))
    return Opened(stream, first_x, first_y, first_weight, stream.batch_size)


class StreamTrainer:
    """An epoch, window by window; otherwise what the trainer is that it drives."""

    def __init__(self, trainer: Any, window: Data, batch: int) -> None:
        self._trainer, self._batch = trainer, batch
        self._arrays: list[Array] = [window.x, window.y, *window.weights[:1]]
        self._window = [np.asarray(a) for a in self._arrays]
        self._pieces: Iterator[Piece] = iter(())

    def start(
        self, samples: int, order: Iterator[Piece], hypers: Any, t: int, key: int, max_norm: float, record: Any
    ) -> None:
        """Begin an epoch; of pieces that are done already nothing is taken."""
        self._pieces, self._hypers, self._t, self._rest = order, np.asarray(hypers), t, (key, max_norm)
        self._rows, self._before, self._under_way = [np.array(record)], len(record), False
        self._left, self._kept = samples, list[np.ndarray]()
        self._take(self._before * self._batch, fill=False)
        self.state = RUNNING if len(self._hypers) else FINISHED

    @property
    def done(self) -> int:
        """How many steps of the epoch are made."""
        return self._before + (int(self._trainer.done) if self._under_way else 0)

    @property
    def record(self) -> np.ndarray:
        """What came of every step."""
        return np.concatenate([*self._rows, np.asarray(self._trainer.record)] if self._under_way else self._rows)

    def advance(self, seconds: float, most: int) -> None:
        """Go on for about `seconds`, or to the end of a window, and at most so many steps."""
        if not self._under_way:
            self._next_window()
        self._trainer.advance(seconds, most)
        self.state = self._trainer.state
        if self.state == FINISHED:
            self._trainer.settle()
            self._rows.append(np.array(self._trainer.record))
            self._before, self._under_way = self._before + int(self._trainer.done), False
            self.state = FINISHED if self._before == len(self._hypers) else RUNNING

    def settle(self) -> None:
        """Set the clocks of the optimizer to how far the window came; those before it are settled."""
        if self._under_way:
            self._trainer.settle()

    def _next_window(self) -> None:
        rows = self._take(min(self._left, len(self._window[0])), fill=True)
        steps = -(-rows // self._batch)
        hypers = _core.wrap(np.ascontiguousarray(self._hypers[self._before : self._before + steps]))
        none = _core.wrap(np.empty((0, self._rows[0].shape[1])))
        self._trainer.start(rows, None, hypers, self._t + self._before, *self._rest, none)
        self._under_way = True

    def _take(self, rows: int, *, fill: bool) -> int:
        """Take rows off the pieces, into the window or away."""
        taken = 0
        while taken < rows:
            if not self._kept:
                found = next(self._pieces, None)
                if found is None:
                    raise ValueError(
                        f"[fit] the data ended {self._left - taken} samples before those of the first pass"
                    )
                self._kept = [np.asarray(a) for a in found if a is not None]
            count = min(rows - taken, len(self._kept[0]))
            if fill:
                for room, piece in zip(self._window, self._kept, strict=True):
                    room[taken : taken + count] = piece[:count]
            rest = [piece[count:] for piece in self._kept]
            self._kept = rest if len(rest[0]) else []
            taken += count
        if fill:
            _core.written(self._arrays)
        self._left -= rows
        return rows
