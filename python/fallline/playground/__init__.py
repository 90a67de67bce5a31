"""The page with the two labs: composed into one file, served on loopback, shown in a notebook."""

from fallline.playground._compose import compose, widget_module, write
from fallline.playground._server import Server, run

__all__ = ["Server", "compose", "run", "widget_module", "write"]
