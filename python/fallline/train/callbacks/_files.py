"""A table of the training on the disk, a line for each epoch: CSVLogger and JSONLogger."""

from __future__ import annotations

import csv
import io
import json
import math
import os
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from fallline._arguments import flag, takes
from fallline.train._writing import write_atomically
from fallline.train.callbacks import _kinds
from fallline.train.callbacks._protocol import Callback

if TYPE_CHECKING:
    from fallline.train._run import Run

__all__ = ["CSVLogger", "JSONLogger"]


class _Lines(Callback):
    """A file that grows by a line an epoch, each on the disk before the training goes on.

    A run that was broken off cuts the file back to what it had when its state was saved, so that no line comes twice.
    """

    def __init__(self, path: str | os.PathLike[str], append: bool) -> None:
        self.path, self.append = Path(path), append
        self._size: int | None = None  # how long the file is; None before the first run
        self._names: list[str] = []

    def line(self, values: Mapping[str, Any]) -> str:
        """Return the values of an epoch as a line."""
        raise NotImplementedError

    def head(self, names: list[str]) -> str:
        """Return what stands before the first line."""
        return ""

    def begin(self, run: Run) -> None:
        """Open the file, so that one that cannot be written is known before the first step."""
        if not run.resumed:
            self._size, self._names = None, []
        with self.path.open("ab") as file:
            if self._size is None and not self.append:
                file.truncate(0)
            elif self._size is not None:
                if file.tell() < self._size:
                    raise ValueError(
                        f"[{type(self).__name__}] {self.path} has lost lines: {file.tell()} bytes where the training "
                        f"had written {self._size}; begin anew in another folder, or restore the file"
                    )
                file.truncate(self._size)
            self._size = file.tell() if self._size is None else self._size

    def epoch(self, run: Run) -> None:
        """Write a line; all of them where a new name has come into the history."""
        places = range(run.epoch, run.epoch + 1)
        names = list(run.history.curves)
        text = ""
        if names != self._names:
            text, self._names = self.head(names), names
            if run.epoch and not self.append:
                places = range(run.epoch + 1)
                write_atomically(self.path, b"")
        text += "".join(
            self.line({"epoch": i + 1, **{name: v[i] for name, v in run.history.curves.items()}}) for i in places
        )
        with self.path.open("ab") as file:
            file.write(text.encode())
            file.flush()
            os.fsync(file.fileno())
            self._size = file.tell()

    def state_dict(self) -> dict[str, Any]:
        """Return the length of the file and the names in it."""
        return {"size": self._size, "names": list(self._names)}

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Take over what `state_dict` returned."""
        self._size, self._names = state["size"], list(state["names"])


class CSVLogger(_Lines):
    """Write the history to a CSV file: a row for each epoch, with as many digits as the numbers have.

    Parameters
    ----------
    path
        The file; it is made anew unless `append` is given. A run that is resumed goes on where its file was.
    append
        Whether to write behind what is there.

    Examples
    --------
    >>> import fallline as fl
    >>> log = fl.train.callbacks.CSVLogger("history.csv")  # callbacks=[log]
    """

    @takes(path=_kinds.path, append=flag)
    def __init__(self, path: str | os.PathLike[str], *, append: bool = False) -> None:
        super().__init__(path, append)

    def head(self, names: list[str]) -> str:
        """Return the names of the columns."""
        return _row(["epoch", *names])

    def line(self, values: Mapping[str, Any]) -> str:
        """Return a row."""
        return _row(list(values.values()))


class JSONLogger(_Lines):
    """Write the history to a file of JSON lines: an object for each epoch; a number that is not finite is null.

    Parameters are those of :class:`CSVLogger`.
    """

    @takes(path=_kinds.path, append=flag)
    def __init__(self, path: str | os.PathLike[str], *, append: bool = False) -> None:
        super().__init__(path, append)

    def line(self, values: Mapping[str, Any]) -> str:
        """Return an object."""
        return json.dumps({name: v if math.isfinite(v) else None for name, v in values.items()}) + "\n"


def _row(values: list[Any]) -> str:
    text = io.StringIO()
    csv.writer(text, lineterminator="\n").writerow(values)
    return text.getvalue()
