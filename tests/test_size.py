"""Files stay short: 400 lines at most, and a function fits a screen."""

from __future__ import annotations

import ast
import re
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
SUFFIXES = {".py", ".h", ".cpp", ".cu", ".cuh"}
PAGE = {".js", ".css", ".html"}  # their functions are closures over what they draw
FILE_LINES, FUNCTION_LINES = 400, 40

# What is longer, with the reason.
LONG_FILES: dict[str, str] = {}
LONG_FUNCTIONS: dict[str, str] = {
    "cpp/bindings/functions.cpp:bind_functions": "a list, one line for each function",
    "cpp/bindings/number_slots.cpp:bind_number_slots": "a list, one line for each slot",
}
BLOCK = re.compile(r"namespace|struct|class|enum|union|extern|#|//")


def sources(suffixes: set[str] = SUFFIXES) -> list[Path]:
    found = (
        p for folder in ("cpp", "python", "tests", "benchmarks", "docs", "cuda") for p in (ROOT / folder).rglob("*")
    )
    return sorted(p for p in found if p.suffix in suffixes)


def python_functions(text: str) -> Iterator[tuple[str, int]]:
    """Yield every function with its lines of code, docstring and arguments not counted."""
    for node in ast.walk(ast.parse(text)):
        if isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef)):
            body = node.body[1:] if ast.get_docstring(node, clean=False) is not None else node.body
            if body:
                yield node.name, (body[-1].end_lineno or 0) - body[0].lineno + 1


def cpp_functions(text: str) -> Iterator[tuple[str, int]]:
    """Yield the functions that begin and end at the left margin, as clang-format sets those outside a class."""
    head, start = "", None
    for number, line in enumerate(text.splitlines()):
        if start is not None:
            if line.startswith("}"):
                name = re.search(r"(\w+)\(", head)
                yield (name[1] if name else head), number - start - 1
                head, start = "", None
        elif (re.match(r"[\w:]", line) and not BLOCK.match(line)) or (head and line.startswith("    ")):
            head = head + line if line[0] == " " else line
            if line.endswith("{") and "(" in head and "=" not in head.partition("(")[0]:
                start = number
            elif line.endswith((";", "}", "{")):
                head = ""


@pytest.mark.parametrize("path", sources(SUFFIXES | PAGE), ids=lambda p: str(p.relative_to(ROOT)))
def test_a_file_is_short(path: Path) -> None:
    name = str(path.relative_to(ROOT))
    lines = len(path.read_text().splitlines())
    assert lines <= FILE_LINES or name in LONG_FILES, f"{name} has {lines} lines"


@pytest.mark.parametrize("path", sources(), ids=lambda p: str(p.relative_to(ROOT)))
def test_a_function_fits_a_screen(path: Path) -> None:
    functions = python_functions if path.suffix == ".py" else cpp_functions
    name = str(path.relative_to(ROOT))
    found = [(f, n) for f, n in functions(path.read_text()) if f"{name}:{f}" not in LONG_FUNCTIONS]
    long = [f"{f}: {n}" for f, n in found if n > FUNCTION_LINES]
    assert not long, f"{name} has functions of more than {FUNCTION_LINES} lines: {long}"


def test_every_exception_is_still_needed() -> None:
    for name in LONG_FILES:
        assert len((ROOT / name).read_text().splitlines()) > FILE_LINES, name
    for entry in LONG_FUNCTIONS:
        name, function = entry.split(":")
        functions = python_functions if name.endswith(".py") else cpp_functions
        assert max(n for f, n in functions((ROOT / name).read_text()) if f == function) > FUNCTION_LINES, entry


def test_the_check_sees_long_functions() -> None:
    body = "  x += 1;\n" * 41
    assert list(cpp_functions(f"Array add(Array a,\n          Array b) {{\n{body}}}\n")) == [("add", 41)]
    assert list(cpp_functions(f"template <class T>\nvoid f(T* x) {{\n  while (x) {{\n{body}  }}\n}}\n")) == [("f", 43)]
    code = "def f(a):\n    '''Doc.'''\n" + "    a += 1\n" * 41
    assert list(python_functions(code)) == [("f", 41)]


def test_no_file_is_large() -> None:
    listed = subprocess.run(["git", "ls-files", "-z"], cwd=ROOT, capture_output=True, text=True, check=False).stdout
    large = [n for n in listed.split("\0") if n and (ROOT / n).is_file() and (ROOT / n).stat().st_size > 500_000]
    assert not large
