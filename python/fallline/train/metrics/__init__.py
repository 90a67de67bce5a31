"""Metrics: what `fit` and `evaluate` measure beside the loss.

Each is summed over all samples, with their weights if there are any, and is a number of the whole epoch: not a mean of
what its batches have. In `fit` and `evaluate` they are given by name, ``metrics=["accuracy", "f1"]``; with options,
``metrics=[fl.train.metrics.top_k(k=3)]``; or as a function of (outputs, targets), or a :class:`fallline.train.Metric`
of one's own. They read raw outputs, logits, as losses do, and are called like functions too:

>>> import numpy as np, fallline as fl
>>> outputs = np.array([[2.0, 1.0, 0.0], [0.0, 1.0, 3.0], [3.0, 5.0, 4.0]])
>>> fl.train.metrics.accuracy(outputs, [0, 1, 1])
0.6666666666666666
>>> fl.train.metrics.top_k(outputs, [0, 1, 1], k=2)
1.0
"""

from fallline._hints import module_names
from fallline.train.metrics._classes import (
    accuracy,
    balanced_accuracy,
    brier,
    calibration_error,
    confusion_matrix,
    dice,
    f1,
    fbeta,
    iou,
    log_loss,
    perplexity,
    precision,
    recall,
    top_k,
)
from fallline.train.metrics._curves import auc, average_precision
from fallline.train.metrics._regression import explained_variance, mae, mape, mse, pearson, quantile, r2, rmse

__all__ = [
    "accuracy",
    "auc",
    "average_precision",
    "balanced_accuracy",
    "brier",
    "calibration_error",
    "confusion_matrix",
    "dice",
    "explained_variance",
    "f1",
    "fbeta",
    "iou",
    "log_loss",
    "mae",
    "mape",
    "mse",
    "pearson",
    "perplexity",
    "precision",
    "quantile",
    "r2",
    "recall",
    "rmse",
    "top_k",
]

__getattr__, __dir__ = module_names(__name__)
