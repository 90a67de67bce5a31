"""Data sets for the command line: files and named sets in, numbers that a network takes out."""

from fallline.data.errors import InputError, close_to, listed, shown
from fallline.data.problem import Part, Problem, prepare
from fallline.data.score import score
from fallline.data.source import Arrays, load, path_of
from fallline.data.tables import Table

__all__ = [
    "Arrays",
    "InputError",
    "Part",
    "Problem",
    "Table",
    "close_to",
    "listed",
    "load",
    "path_of",
    "prepare",
    "score",
    "shown",
]
