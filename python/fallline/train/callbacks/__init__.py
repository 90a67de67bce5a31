"""What happens beside the training: objects that `fit` tells of its events.

A plain function of (epoch, history, model, optimizer) is a callback too: it is called after each epoch, and a true
result ends the training.
"""

from fallline._hints import module_names
from fallline.train._batches import BatchSizeSchedule
from fallline.train.callbacks._best import EarlyStopping
from fallline.train.callbacks._checkpoint import Checkpoint
from fallline.train.callbacks._files import CSVLogger, JSONLogger
from fallline.train.callbacks._gradients import GradientMonitor
from fallline.train.callbacks._monitors import LearningRateMonitor, Timer
from fallline.train.callbacks._plateau import ReduceOnPlateau
from fallline.train.callbacks._progress import Progress
from fallline.train.callbacks._protocol import Callback, Lambda
from fallline.train.callbacks._tensorboard import TensorBoard

__all__ = [
    "BatchSizeSchedule",
    "CSVLogger",
    "Callback",
    "Checkpoint",
    "EarlyStopping",
    "GradientMonitor",
    "JSONLogger",
    "Lambda",
    "LearningRateMonitor",
    "Progress",
    "ReduceOnPlateau",
    "TensorBoard",
    "Timer",
]

__getattr__, __dir__ = module_names(__name__)
