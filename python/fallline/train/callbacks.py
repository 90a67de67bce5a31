"""What `fit` calls after each epoch, and what it asks before one."""

from fallline._hints import module_names
from fallline.train._batches import BatchSizeSchedule

__all__ = ["BatchSizeSchedule"]

__getattr__, __dir__ = module_names(__name__)
