"""Losses whose targets say where to look: the same whether the targets are known while they are traced or not."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import fallline as fl
from fallline import nn
from fallline.nn import losses

rng = np.random.default_rng(0)
N, STEPS, CLASSES, LONGEST = 4, 9, 5, 3
LABELS = rng.integers(1, CLASSES, size=(N, LONGEST))
LENGTHS = np.array([3, 1, 0, 2])
SPOKEN = np.array([9, 5, 4, 9])
SETS = np.array([[2, 0, -1, 3, 1], [-1, 1, 2, 3, 4], [4, 3, 2, 1, 0], [1, -1, -1, -1, -1]])


def ctc(out: Any, y: Any) -> fl.Array:
    logs = fl.log_softmax(fl.asarray(out), -1)
    return losses.ctc(fl.permute_dims(logs, (1, 0, 2)), y[:, :-2], y[:, -2], y[:, -1])


ROWS: dict[str, tuple[Any, np.ndarray, np.ndarray]] = {
    "ctc": (ctc, rng.normal(size=(N, STEPS, CLASSES)), np.column_stack([LABELS, SPOKEN, LENGTHS])),
    "multilabel_margin": (losses.multilabel_margin, rng.normal(size=(N, 5)), SETS),
}


@pytest.mark.parametrize(("loss", "x", "y"), ROWS.values(), ids=ROWS)
def test_a_plan_gives_what_known_targets_give(loss: Any, x: np.ndarray, y: np.ndarray) -> None:
    value, g = fl.value_and_grad(loss)(x, y)
    planned = fl.jit(lambda x, y: fl.value_and_grad(loss)(x, y))(fl.asarray(x), fl.asarray(y))
    np.testing.assert_allclose(planned[0], value, rtol=1e-12)
    np.testing.assert_allclose(planned[1], g, rtol=1e-12, atol=1e-14)
    fl.testing.check_grads(lambda x: loss(x, y), (x,))


@pytest.mark.parametrize(("loss", "x", "y"), ROWS.values(), ids=ROWS)
def test_fit_trains_with_it(loss: Any, x: np.ndarray, y: np.ndarray) -> None:
    fl.random.seed(0)
    model = nn.Linear(x.shape[-1], x.shape[-1])
    given: Any = "multilabel_margin" if loss is losses.multilabel_margin else loss
    history = fl.fit(model, x, y, loss=given, optimizer=fl.optim.Adam(0.05), batch_size=2, epochs=60, progress=False)
    assert history["loss"][-1] < 0.5 * history["loss"][0]
    assert fl.evaluate(model, x, y, loss=given)["loss"] < 0.5 * history["loss"][0]


def test_labels_in_a_row_must_be_known() -> None:
    logs = np.log(np.full((STEPS, N, CLASSES), 1 / CLASSES))
    with pytest.raises(fl.ShapeError, match=r"\[ctc\] where labels are not known yet, they must be \(n, longest\)"):
        fl.jit(lambda t: losses.ctc(logs, t, SPOKEN, LENGTHS))(LABELS.ravel()[:6])
    with pytest.raises(ValueError, match=r"\[ctc\] lengths must be at most 9 and labels in \[0, 5\)"):
        losses.ctc(logs, LABELS + 4, SPOKEN, LENGTHS)
    with pytest.raises(fl.ShapeError, match=r"\[ctc\] expected 4 lengths, got 3"):
        losses.ctc(logs, LABELS, SPOKEN[:3], LENGTHS)
