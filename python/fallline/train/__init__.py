"""Training: fit, predict, evaluate, and files of models."""

from fallline._explain import explain_all
from fallline._hints import module_names
from fallline.train import callbacks, metrics
from fallline.train._batches import BatchSizeSchedule, scale_learning_rate
from fallline.train._evaluate import evaluate, predict
from fallline.train._files import load, save
from fallline.train._finders import find_batch_size, find_learning_rate
from fallline.train._fit import fit
from fallline.train._history import DivergedError, History
from fallline.train._loader import Loader
from fallline.train._memory import memory
from fallline.train._options import Options
from fallline.train._padding import pad
from fallline.train._plan import plan
from fallline.train._predictor import Predictor
from fallline.train._run import Run
from fallline.train._runs import Runs, compare, repeat
from fallline.train._statistics import update_running_statistics
from fallline.train.metrics._metric import Metric

__all__ = [
    "BatchSizeSchedule",
    "DivergedError",
    "History",
    "Loader",
    "Metric",
    "Options",
    "Predictor",
    "Run",
    "Runs",
    "callbacks",
    "compare",
    "evaluate",
    "find_batch_size",
    "find_learning_rate",
    "fit",
    "load",
    "memory",
    "metrics",
    "pad",
    "plan",
    "predict",
    "repeat",
    "save",
    "scale_learning_rate",
    "update_running_statistics",
]

explain_all((name for name in __all__ if name in globals()), globals())
__getattr__, __dir__ = module_names(__name__)
