"""Losses: functions of outputs (logits) and targets, with PyTorch's options. The mean over everything by default.

Each element of a loss of logits or distances, and its gradient, are right to four units in the last place, for logits
from 1e-30 to 1e4 in both dtypes; where that is not so its docstring says it. Below the smallest normal number units are
those of that one; where a value or a gradient changes its sign, those of its terms.
"""

from __future__ import annotations

from collections.abc import Callable

from fallline._array import Array
from fallline._explain import explain_all
from fallline._hints import module_names
from fallline.nn.losses._classification import (
    binary_cross_entropy,
    binary_cross_entropy_of_probabilities,
    cross_entropy,
    dice,
    focal,
    kl_divergence,
    nll,
)
from fallline.nn.losses._common import check_labels as check_labels
from fallline.nn.losses._ctc import ctc
from fallline.nn.losses._margins import (
    cosine_embedding,
    hinge,
    hinge_embedding,
    margin_ranking,
    multi_margin,
    multilabel_margin,
    multilabel_soft_margin,
    soft_margin,
    squared_hinge,
    triplet_margin,
)
from fallline.nn.losses._regression import (
    gaussian_nll,
    huber,
    log_cosh,
    mae,
    mape,
    mse,
    msle,
    poisson_nll,
    quantile,
    smooth_l1,
)
from fallline.nn.losses._yolo import yolo_v1

__all__ = [
    "binary_cross_entropy",
    "binary_cross_entropy_of_probabilities",
    "cosine_embedding",
    "cross_entropy",
    "ctc",
    "dice",
    "focal",
    "gaussian_nll",
    "get",
    "hinge",
    "hinge_embedding",
    "huber",
    "kl_divergence",
    "log_cosh",
    "mae",
    "mape",
    "margin_ranking",
    "mse",
    "msle",
    "multi_margin",
    "multilabel_margin",
    "multilabel_soft_margin",
    "nll",
    "poisson_nll",
    "quantile",
    "smooth_l1",
    "soft_margin",
    "squared_hinge",
    "triplet_margin",
    "yolo_v1",
]

Loss = Callable[..., Array]

explain_all((name for name in __all__ if name != "get"), globals())

# Those of outputs and targets, which `fit` takes by name.
_BY_NAME: dict[str, Loss] = {
    f.__name__: f
    for f in (
        mse,
        mae,
        huber,
        cross_entropy,
        binary_cross_entropy,
        smooth_l1,
        log_cosh,
        quantile,
        mape,
        msle,
        poisson_nll,
        nll,
        binary_cross_entropy_of_probabilities,
        focal,
        kl_divergence,
        dice,
        hinge,
        squared_hinge,
        hinge_embedding,
        soft_margin,
        multi_margin,
        multilabel_margin,
        multilabel_soft_margin,
    )
}


def get(name: str | Loss) -> Loss:
    """Return the loss of that name; a callable is returned as it is."""
    if callable(name):
        return name
    if name not in _BY_NAME:
        import difflib  # only here: it takes a while to import

        close = difflib.get_close_matches(str(name), _BY_NAME, n=1)
        hint = f"; did you mean {close[0]!r}?" if close else ""
        raise ValueError(f"[loss] no loss is named {name!r}; there are {', '.join(_BY_NAME)}{hint}")
    return _BY_NAME[name]


__getattr__, __dir__ = module_names(__name__)
