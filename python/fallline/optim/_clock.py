"""When does each epoch begin?  Batches are counted on while fits with other batch sizes follow each other."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from itertools import pairwise
from typing import Any

__all__ = ["Clock"]


@dataclass(frozen=True)
class Clock:
    """The beginnings of epochs, as rows of (batch, epoch, batches in each epoch from that one on).

    An update is made with every `every`-th batch.
    """

    rows: tuple[tuple[int, int, int], ...]
    every: int = 1

    @classmethod
    def constant(cls, steps_per_epoch: int) -> Clock:
        """Return the clock on which all epochs have the same length."""
        return cls(((0, 0, steps_per_epoch),))

    @classmethod
    def of(cls, name: str, rows: Any) -> Clock:
        """Return the clock that a saved state tells of."""
        try:
            found = tuple((int(start), int(epoch), int(length)) for start, epoch, length in rows)
        except (TypeError, ValueError):
            found = ()
        rising = all(a[0] < b[0] and a[1] < b[1] for a, b in pairwise(found))
        if not found or found[0][0] > 0 or not rising or min(length for *_, length in found) < 1:
            raise ValueError(f"[{name}] this state does not fit: its epochs are {rows!r}")
        return cls(found)

    def epoch(self, batch: int) -> int:
        """Return the epoch that a batch belongs to, both counted from 0."""
        start, epoch, length = [row for row in self.rows if row[0] <= batch][-1]
        return epoch + (batch - start) // length

    def start(self, epoch: int) -> int:
        """Return the first batch of an epoch."""
        start, first, length = [row for row in self.rows if row[1] <= epoch][-1]
        return start + (epoch - first) * length

    @property
    def steps_per_epoch(self) -> int:
        """The length of the last epoch that is known, and of all after it."""
        return self.rows[-1][2]

    def then(self, batch: int, lengths: Sequence[int]) -> Clock:
        """Return the clock on which epochs of these lengths follow from a batch on, the last one again and again.

        The epoch that the batch lies in goes on to the end of the first: it was broken off, and is begun anew.
        """
        return self.then_runs(batch, [(length, 1) for length in lengths])

    def then_runs(self, batch: int, runs: Iterable[tuple[int, int]]) -> Clock:
        """Do as `then` does, for lengths that come so many times each: (length, times)."""
        epoch = self.epoch(batch)
        start = self.start(epoch)
        rows, length = [row for row in self.rows if row[1] < epoch], 0
        for length, times in runs:
            for epochs in (1, times - 1):  # the first may have begun before
                now = batch + length - start
                if epochs and (not rows or rows[-1][2] != now):
                    rows.append((start, epoch, now))
                batch += length * epochs
                start = batch if epochs else start
                epoch += epochs
        if length and rows[-1][2] != length:
            rows.append((start, epoch, length))
        return replace(self, rows=tuple(rows)) if length else self

    def slower(self, every: int) -> Clock:
        """Return the clock of an optimizer that steps only at every so many-th of the calls that this one counts."""
        return replace(self, every=self.every * every)

    def since(self, batch: int) -> Clock:
        """Return the clock of an optimizer that begins with a later batch."""
        return replace(self, rows=tuple((start - batch, epoch, length) for start, epoch, length in self.rows))
