"""TensorBoard reads what its callback wrote, with either of two libraries; without both it says what to install."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from absent import run_without

BOARD = """
import numpy as np, fallline as fl
x, board = np.ones((64, 1)), fl.train.callbacks.TensorBoard({folder!r})
print(fl.fit(fl.nn.Linear(1, 1), x, x, loss="mse", epochs=3, progress=False, callbacks=[board])["loss"])
"""


@pytest.mark.parametrize("library", ["tensorboard", "tensorboardX"])
def test_tensorboard_reads_every_value(tmp_path: Path, library: str) -> None:
    pytest.importorskip("tensorboard")
    pytest.importorskip(library)
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

    other = {"tensorboard": "tensorboardX", "tensorboardX": "tensorboard"}[library]
    done = run_without(other, BOARD.format(folder=str(tmp_path)))
    assert done.returncode == 0, done.stderr
    read = EventAccumulator(str(tmp_path))
    read.Reload()
    assert set(read.Tags()["scalars"]) == {"loss", "grad_norm"}
    events = read.Scalars("loss")
    assert [event.step for event in events] == [2, 4, 6]
    np.testing.assert_allclose([event.value for event in events], json.loads(done.stdout), rtol=1e-6)


def test_without_a_writer_it_says_what_to_install(tmp_path: Path) -> None:
    done = run_without("tensorboard,tensorboardX", BOARD.format(folder=str(tmp_path)))
    assert "[TensorBoard] needs one of its writers: pip install tensorboard, or pip install tensorboardX" in done.stderr
