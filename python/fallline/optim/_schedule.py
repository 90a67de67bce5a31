"""What is a schedule?  A pure callable of how many updates, or epochs, are finished."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any


class Schedule:
    """A pure callable of the number of finished updates, 0 first.

    With ``per="epoch"`` the clock counts finished epochs, so the value stays the same within one; ``steps_per_epoch``
    is then needed, and ``fl.fit`` fills it in. Made by the functions of this module.
    """

    def __init__(
        self,
        name: str,
        formula: Callable[..., float],  # of the clock, and of the parts
        arguments: tuple[tuple[str, Any], ...] = (),
        parts: tuple[Callable[[int], float], ...] = (),
        per: str = "step",
        steps_per_epoch: int | None = None,
    ) -> None:
        if per not in ("step", "epoch"):
            raise ValueError(f"[{name}] per is 'step' or 'epoch', got {per!r}")
        if steps_per_epoch is not None and steps_per_epoch < 1:
            raise ValueError(f"[{name}] steps_per_epoch must be at least 1, got {steps_per_epoch}")
        self.name, self.formula, self.arguments, self.parts = name, formula, arguments, parts
        self.per, self.steps_per_epoch = per, steps_per_epoch

    def __call__(self, finished: int) -> float:
        """Return the value after `finished` updates."""
        if self.per == "epoch":
            if self.steps_per_epoch is None:
                raise ValueError(f"[{self.name}] per='epoch' needs steps_per_epoch=, the number of updates in an epoch")
            finished = finished // self.steps_per_epoch
        return float(self.formula(finished, *self.parts))

    def __repr__(self) -> str:
        arguments = [f"{key}={value!r}" for key, value in self.arguments]
        if self.per == "epoch":
            arguments.append(f"per='epoch', steps_per_epoch={self.steps_per_epoch}")
        return f"{self.name}({', '.join(arguments)})"

    def with_steps_per_epoch(self, steps: int) -> Schedule:
        """Return this schedule with the length of an epoch filled in wherever it was left open."""
        parts = tuple(p.with_steps_per_epoch(steps) if isinstance(p, Schedule) else p for p in self.parts)
        length = steps if self.per == "epoch" and self.steps_per_epoch is None else self.steps_per_epoch
        return Schedule(self.name, self.formula, self.arguments, parts, self.per, length)

    def plot(self, steps: int = 1000, ax: Any = None) -> Any:
        """Draw the first `steps` values with Matplotlib and return the axes."""
        try:
            import matplotlib.pyplot as plt
        except ImportError as error:
            raise ImportError("[schedules] plot() needs Matplotlib: pip install 'fallline[plot]'") from error
        ax = plt.gca() if ax is None else ax
        ax.plot(range(steps), [self(t) for t in range(steps)], label=repr(self))
        ax.set_xlabel("finished updates")
        return ax


def at_least_one(name: str, **counts: int) -> None:
    """Raise a ValueError for a length below one."""
    for key, value in counts.items():
        if value < 1:
            raise ValueError(f"[{name}] {key} must be at least 1, got {value}")
