"""Pictures of what a library of optimizers does, for notebooks."""

from fallline.viz._playground import playground

__all__ = ["playground"]
