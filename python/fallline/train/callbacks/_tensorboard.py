"""The history for TensorBoard, written by whichever of its writers is installed."""

from __future__ import annotations

import math
import os
import time
from typing import TYPE_CHECKING, Any

from fallline._arguments import takes
from fallline.train.callbacks import _kinds
from fallline.train.callbacks._protocol import Callback

if TYPE_CHECKING:
    from fallline.train._run import Run

__all__ = ["TensorBoard"]


class TensorBoard(Callback):
    """Write every value of the history as a scalar of TensorBoard, by the number of finished steps.

    It needs `tensorboard` or `tensorboardX`. Their files hold the time of day; a run that is resumed begins another
    file in the same folder, from which TensorBoard shows each step once.

    Parameters
    ----------
    folder
        Where the files go; look at them with ``tensorboard --logdir folder``.

    Examples
    --------
    >>> import fallline as fl
    >>> board = fl.train.callbacks.TensorBoard("runs/first")  # callbacks=[board]
    """

    @takes(folder=_kinds.path)
    def __init__(self, folder: str | os.PathLike[str]) -> None:
        self.folder = str(folder)
        self._writer: Any = None

    def begin(self, run: Run) -> None:
        """Open a file."""
        self._writer = _writer(self.folder, run.step)

    def epoch(self, run: Run) -> None:
        """Write the values of the epoch."""
        for name, values in run.history.curves.items():
            if math.isfinite(values[run.epoch]):
                self._writer.scalar(name, values[run.epoch], run.step)
        self._writer.flush()

    def end(self, run: Run) -> None:
        """Close the file."""
        if self._writer is not None:
            self._writer.close()
            self._writer = None

    def __getstate__(self) -> dict[str, Any]:
        return {**vars(self), "_writer": None}


def _writer(folder: str, step: int) -> Any:
    try:
        from tensorboard.summary.writer.event_file_writer import EventFileWriter
    except ModuleNotFoundError:
        pass
    else:
        return _Own(EventFileWriter(folder), step)
    try:
        from tensorboardX import SummaryWriter
    except ModuleNotFoundError as error:
        raise ModuleNotFoundError(
            "[TensorBoard] needs one of its writers: pip install tensorboard, or pip install tensorboardX"
        ) from error
    return _X(SummaryWriter(folder, purge_step=step + 1 if step else None))


class _Own:
    """TensorBoard's own writer, which takes its records."""

    def __init__(self, file: Any, step: int) -> None:
        from tensorboard.compat.proto import event_pb2, summary_pb2

        self.file, self.event, self.summary = file, event_pb2, summary_pb2
        if step:  # what another file says of later steps does not count
            start = event_pb2.SessionLog(status=event_pb2.SessionLog.START)
            self.file.add_event(event_pb2.Event(wall_time=time.time(), step=step + 1, session_log=start))
        self.flush, self.close = file.flush, file.close

    def scalar(self, name: str, value: float, step: int) -> None:
        """Write one number."""
        row = self.summary.Summary(value=[self.summary.Summary.Value(tag=name, simple_value=value)])
        self.file.add_event(self.event.Event(wall_time=time.time(), step=step, summary=row))


class _X:
    """The writer of tensorboardX."""

    def __init__(self, writer: Any) -> None:
        self.scalar, self.flush, self.close = writer.add_scalar, writer.flush, writer.close
