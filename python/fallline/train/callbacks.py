"""What `fit` calls after each epoch, and what it asks before one."""

from fallline.train._batches import BatchSizeSchedule

__all__ = ["BatchSizeSchedule"]
