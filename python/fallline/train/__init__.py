"""Training: fit, predict, evaluate, and files of models."""

from fallline.train._files import load, save
from fallline.train._fit import evaluate, fit, predict
from fallline.train._history import DivergedError, History

__all__ = ["DivergedError", "History", "evaluate", "fit", "load", "predict", "save"]
