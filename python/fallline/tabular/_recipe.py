"""The numbers of the recipe: rates, schedules, how long, and how many members.

Holzmüller, Grinsztajn & Steinwart 2024, "Better by default: strong pre-tuned MLPs and boosted trees on tabular data"
(appendix A): what they call RealMLP-TD, with pieces beside the periodic embeddings. Schedules here are shorter than the
paper's 256 passes, and numbers are learned at 0.08 instead of 0.2: with 12 and 32 passes over housing that left 2 %
less error, and 1 % less on bike hours; classes at 0.015 instead of 0.04.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import NamedTuple

BATCH = 256
LEAST_UPDATES, LEAST_STEPS = 1000, 20  # of a run, and of an epoch
WEIGHT_DECAY = 0.02
BETAS = (0.9, 0.95)
DROPOUT = 0.15
MOST_PIECES, LEAST_PIECES = 24, 4  # of the line that a number climbs
PIECES = 256  # of all numbers together: beyond, the first layer would take longest
ROWS_PER_PIECE = 50  # of few rows, pieces are learned by heart
PHASES = 8  # of the second half, in which the dropout falls; within each it is constant


@dataclass(frozen=True)
class Effort:
    """How much is spent: members, of how many folds, and passes over the rows of tables of up to 20,000."""

    members: int
    folds: int
    passes: int


EFFORTS = {"quick": Effort(2, 5, 12), "default": Effort(4, 5, 32), "best": Effort(8, 8, 48)}
FULL_ROWS = 20_000


class Length(NamedTuple):
    """How long a run is."""

    batch: int
    epochs: int
    repeats: int  # passes over the rows in each epoch


def length(rows: int, passes: int) -> Length:
    """Return batch size and epochs: never fewer than 1,000 updates, and fewer passes where rows are many."""
    batch = next((b for b in (32, 64, 128) if rows < 24 * b), BATCH)
    passes = max(8, round(passes * min(1.0, math.sqrt(FULL_ROWS / rows))))
    passes = max(passes, -(-LEAST_UPDATES * batch // rows))
    repeats = -(-LEAST_STEPS * batch // rows)  # judging takes time too
    return Length(batch, max(2, round(passes / repeats)), repeats)


def pieces(rows: int, numbers: int) -> int:
    """Return into how many pieces each number's line is cut; none where they would be too few to matter."""
    found = min(MOST_PIECES, min(PIECES, rows // ROWS_PER_PIECE) // max(1, numbers))
    return found if found >= LEAST_PIECES else 0


def coslog4(t: float) -> float:
    """Return the share of the learning rate at time t in [0, 1]: four cosines, each longer than the one before."""
    return 0.5 * (1 - math.cos(2 * math.pi * math.log2(1 + 15 * t)))


def flat_cos(t: float) -> float:
    """Return the share of dropout and weight decay at time t: constant for one half, then down to nothing."""
    return 1.0 if t < 0.5 else 0.5 * (1 + math.cos(math.pi * (2 * t - 1)))
