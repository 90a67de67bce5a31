"""How does a training survive?  Its whole state in a folder, written whole or not at all: Checkpoint."""

from __future__ import annotations

import os
import time
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar

from fallline._arguments import flag, number, one_of, optional, takes, whole
from fallline.train._writing import sweep, write_atomically
from fallline.train.callbacks import _kinds
from fallline.train.callbacks._best import Best
from fallline.train.callbacks._protocol import Callback

if TYPE_CHECKING:
    from fallline.train._run import Run

__all__ = ["Checkpoint"]


class Checkpoint(Callback):
    """Keep the state of a training in a folder, and go on from it: the same call again ends with the same bits.

    Each state is a file of :func:`fallline.load`, ``state-000000120.safetensors`` after 120 steps, with the model, the
    optimizer, the history, the place in the epoch, and what all callbacks keep. It is written beside its place, synced
    and renamed, so that a process that is killed, a full disk or a lost current leave the one before. Where data or
    options differ from those of the state that is found, ``fit`` says which; more epochs than before are allowed.
    ``fit(resume=folder)`` is this callback with its defaults.

    Parameters
    ----------
    folder
        Where the states go; it may be absent.
    epochs
        A state is written after every so many epochs, and after the last; None: only as `steps` or `minutes` say.
    steps, minutes
        And after every so many steps, or when so many minutes have gone by: within an epoch.
    keep
        How many states stay, the newest; None: all.
    monitor, mode
        The name of a value in the history, and whether "min" or "max" is best ("auto": as for EarlyStopping). Then
        ``best.safetensors`` holds the model of the best epoch, with the parameters that were evaluated (`averaged`).
    resume
        Whether to go on from the newest state in the folder. Of several of these callbacks the first one does.

    Examples
    --------
    >>> import fallline as fl
    >>> keep = fl.train.callbacks.Checkpoint("run", minutes=10, keep=3, monitor="val_loss")  # callbacks=[keep]
    """

    last: ClassVar[bool] = True

    @takes(
        folder=_kinds.path,
        epochs=optional(whole(1)),
        steps=optional(whole(1)),
        minutes=optional(number("positive", lambda x: x > 0)),
        keep=optional(whole(1)),
        monitor=_kinds.monitor,
        mode=one_of("auto", "min", "max"),
        resume=flag,
    )
    def __init__(
        self,
        folder: str | os.PathLike[str],
        *,
        epochs: int | None = 1,
        steps: int | None = None,
        minutes: float | None = None,
        keep: int | None = 1,
        monitor: str | None = None,
        mode: str = "auto",
        resume: bool = True,
    ) -> None:
        if steps is not None and minutes is not None:
            raise ValueError("[Checkpoint] give steps or minutes, not both")
        if epochs is steps is minutes is None:
            raise ValueError("[Checkpoint] say when to write: epochs=, steps= or minutes=")
        self.folder, self.epochs, self.steps, self.minutes = Path(folder), epochs, steps, minutes
        self.keep, self.resume = keep, resume
        self.every = steps or (None if minutes else _NEVER)
        self._best = None if monitor is None else Best("Checkpoint", monitor, mode, 0.0)
        self._written = 0.0

    def newest(self) -> Path | None:
        """Return the newest state in the folder."""
        return max(self.folder.glob("state-*.safetensors"), default=None)

    def begin(self, run: Run) -> None:
        """Go on from the newest state, or write the first, so that a folder that cannot be written is known at once."""
        self._write(self.folder.mkdir, parents=True, exist_ok=True)
        for path in self.folder.glob(".*.part"):
            sweep(path.with_name(path.name[1:].rsplit(".", 2)[0]))
        newest = self.newest()
        if self.resume and newest is not None and run.keeper is self:
            run.restore(newest)
            self._forget_old()
        else:
            self._keep(run)
        self._written = time.monotonic()

    def batch(self, run: Run) -> None:
        """Write, where it is time."""
        if self.steps or (self.minutes and time.monotonic() - self._written >= 60 * self.minutes):
            self._keep(run)

    def epoch(self, run: Run) -> None:
        """Write the model, where it is the best, and the state, where it is time."""
        if self._best is not None and self._best.improves(run):
            self._write(write_atomically, self.folder / "best.safetensors", run.model_bytes())
        if run.ending or (self.epochs and (run.epoch + 1) % self.epochs == 0):
            self._keep(run)

    def _keep(self, run: Run) -> None:
        self._write(write_atomically, self.folder / f"state-{run.step:09d}.safetensors", run.to_bytes())
        self._forget_old()
        self._written = time.monotonic()

    def _write(self, write: Any, *args: Any, **facts: Any) -> None:
        try:
            write(*args, **facts)
        except OSError as error:
            newest = self.newest() if self.folder.is_dir() else None
            there = "" if newest is None else f"; {newest.name} is there and whole, and the same call goes on from it"
            text = f"[Checkpoint] cannot write into {self.folder}: {error.strerror or error}{there}"
            raise type(error)(error.errno, text) from error

    def _forget_old(self) -> None:
        states = sorted(self.folder.glob("state-*.safetensors"))
        for path in states[: -self.keep] if self.keep else ():
            path.unlink(missing_ok=True)

    def state_dict(self) -> dict[str, Any]:
        """Return the best value."""
        return {} if self._best is None else self._best.state_dict()

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Take over what `state_dict` returned."""
        if self._best is not None:
            self._best.load_state_dict(state)


_NEVER = 2**62
