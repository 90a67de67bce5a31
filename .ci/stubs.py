"""Write python/fallline/_core.pyi: what pybind11-stubgen sees in the compiled module, and what only Python knows.

Python adds methods to Array, which the generator takes for static ones; their signatures are read from the functions.
With --check the file stays, and a difference is printed.
"""

from __future__ import annotations

import argparse
import ast
import difflib
import inspect
import subprocess
import sys
import sysconfig
import tempfile
import types
import typing
from pathlib import Path

from fallline import _core

ROOT = Path(__file__).parents[1]
STUB = ROOT / "python/fallline/_core.pyi"
SCRIPTS = Path(sysconfig.get_path("scripts"))

HEADER = f'''"""{(_core.__doc__ or "").strip()}"""

# Written by .ci/stubs.py.

import builtins
import collections.abc
import types
import typing
from typing import Any

import numpy as np
'''

# What neither an annotation nor pybind11 says: the result of a member of Array.
RESULTS = {
    "shape": "tuple[int, ...]",
    "strides": "tuple[int, ...]",
    "dtype": "np.dtype[Any]",
    "itemsize": "int",
    "nbytes": "int",
    "ndim": "int",
    "size": "int",
    "requires_grad": "bool",
    "_readable": "bool",
    "_given_away": "bool",
    "_tracked": "bool",
    "_writable": "bool",
    "grad": "Array | None",
    "__bool__": "bool",
    "__int__": "int",
    "__float__": "float",
    "__complex__": "complex",
    "__str__": "str",
    "__deepcopy__": "Array",
    "__reduce__": "tuple[Any, ...]",
    "__dlpack__": "Any",
    "__dlpack_device__": "tuple[int, int]",
    "device": "str",
    "tolist": "Any",
    "numpy": "np.ndarray",
    "detach": "Array",
}
# The same for arguments: pybind11 lets a pointer be None.
ARGUMENTS = {("Trainer", "__init__", 2): "BatchPlan | None"}
# Before Python 3.12 classes do not show that they give their memory.
BUFFER = "def __buffer__(self, flags: int, /) -> memoryview: ..."
# Names of types that mean something else in the stub, or lack their arguments.
NAMES = {
    "dict": "dict[str, Any]",
    "list": "list[Any]",
    "tuple": "tuple[Any, ...]",
    "collections.abc.Sequence": "collections.abc.Sequence[Any]",
    "collections.abc.Callable": "collections.abc.Callable[..., Any]",
    "slice": "builtins.slice",
    "ellipsis": "types.EllipsisType",
    "NoneType": "None",
    "typing.Any": "Any",
    "numpy.ndarray": "np.ndarray",
    "numpy.dtype": "np.dtype",
    "fallline._core.Array": "Array",
}
# object's own comparisons give bool, and it can be hashed.
IGNORED = {
    "def __eq__(self, arg0: Any, /) -> Array:": "override",
    "def __ne__(self, arg0: Any, /) -> Array:": "override",
    "__hash__: typing.ClassVar[None]": "assignment",
}


def parsed(text: str) -> ast.expr:
    """Parse a type."""
    return ast.parse(text, mode="eval").body


def declaration(name: str, function: types.FunctionType, *, of_property: bool) -> ast.stmt:
    """Declare a method by the Python function behind it, whose first argument becomes self."""
    hints = typing.get_type_hints(function)
    first, *others = inspect.signature(function).parameters.values()
    parameters = [first.replace(name="self", annotation=inspect.Parameter.empty)]
    for p in others if not of_property else ():
        default = p.default if p.default is p.empty else ...
        parameters.append(p.replace(annotation=hints.get(p.name, typing.Any), default=default))
    if name not in RESULTS and "return" not in hints:
        raise SystemExit(f"the result of Array.{name} has no type: say it in RESULTS")
    result = RESULTS.get(name) or inspect.formatannotation(hints["return"])
    text = str(inspect.Signature(parameters)).replace("Ellipsis", "...")
    return ast.parse(f"{'@property' if of_property else ''}\ndef {name}{text} -> {result}: ...").body[0]


class Correct(ast.NodeTransformer):
    """Puts the generator's tree right."""

    def __init__(self) -> None:
        self.owner = ""

    def visit_Module(self, node: ast.Module) -> ast.Module:
        """Leave out the head: docstring, imports and `__all__`."""
        start = next(i for i, child in enumerate(node.body) if isinstance(child, ast.ClassDef | ast.FunctionDef))
        node.body = node.body[start:]
        self.generic_visit(node)
        return node

    def visit_ClassDef(self, node: ast.ClassDef) -> ast.ClassDef:
        """Take the docstring away, since it stands in the sources; let Array have a buffer and no constructor."""
        self.owner = node.name
        if ast.get_docstring(node) is not None:
            node.body = node.body[1:] or [ast.Pass()]
        if node.name == "Array":
            named = ("__new__", "__buffer__", "__release_buffer__")
            node.body = [child for child in node.body if getattr(child, "name", "") not in named]
            slots = [name for name, member in vars(_core.Array).items() if inspect.isgetsetdescriptor(member)]
            for name in sorted(set(slots) & set(RESULTS)):  # the generator takes no notice of them
                node.body += ast.parse(f"@property\ndef {name}(self) -> {RESULTS[name]}: ...").body
            node.body += ast.parse(BUFFER).body
        self.generic_visit(node)
        self.owner = ""
        return node

    def visit_AnnAssign(self, node: ast.AnnAssign) -> ast.AnnAssign:
        """Leave out values, which are those of one build."""
        node.value = None
        if self.owner == "Array" and ast.unparse(node.target) in RESULTS:
            node.annotation = parsed(RESULTS[ast.unparse(node.target)])
        return node

    def visit_FunctionDef(self, node: ast.FunctionDef) -> ast.stmt:
        """Declare a function of the core, or one of Python's by its own signature."""
        member = vars(_core.Array).get(node.name) if self.owner == "Array" else None
        function = member.fget if isinstance(member, property) else member
        if isinstance(function, types.FunctionType):
            made = declaration(node.name, function, of_property=function is not member)
            self.generic_visit(made)
            return made
        node.body = [ast.Expr(ast.Constant(...))]
        for i, argument in enumerate(node.args.args):
            if argument.arg != "self":
                given = ARGUMENTS.get((self.owner, node.name, i))
                argument.annotation = parsed(given) if given else argument.annotation or parsed("Any")
        for rest in filter(None, (node.args.vararg, node.args.kwarg)):
            rest.annotation = rest.annotation or parsed("Any")
        if any(argument.arg.startswith("arg") for argument in node.args.args):  # pybind11's word for a nameless one
            node.args.posonlyargs, node.args.args = node.args.args, []
        if self.owner == "Array":
            node.returns = self.result(node)
        self.generic_visit(node)
        return node

    def result(self, node: ast.FunctionDef) -> ast.expr | None:
        """Return the type of what a method or property of Array gives: operators give arrays."""
        if node.name in RESULTS:
            return parsed(RESULTS[node.name])
        operator = node.name.startswith("__") and node.returns and ast.unparse(node.returns) == "typing.Any"
        return parsed("Array") if operator else node.returns

    def visit_Subscript(self, node: ast.Subscript) -> ast.Subscript:
        """Leave a generic class that has arguments alone, but look at these."""
        if ast.unparse(node.value).startswith("numpy"):
            node.value = self.visit(node.value)
        node.slice = self.visit(node.slice)
        return node

    def visit_Attribute(self, node: ast.Attribute) -> ast.expr:
        """Write a type as the stub has to."""
        text = ast.unparse(node)
        return parsed(NAMES[text]) if text in NAMES else node

    def visit_Name(self, node: ast.Name) -> ast.expr:
        """Write a type as the stub has to."""
        return parsed(NAMES[node.id]) if node.id in NAMES else node


def stub() -> str:
    """Return the text of the file."""
    with tempfile.TemporaryDirectory() as folder:
        command = [SCRIPTS / "pybind11-stubgen", _core.__name__, "--numpy-array-use-type-var", "-o", folder]
        subprocess.run(command, check=True, capture_output=True)
        made = Path(folder, *_core.__name__.split(".")).with_suffix(".pyi").read_text()
    text = HEADER + ast.unparse(Correct().visit(ast.parse(made))) + "\n"
    for line, kind in IGNORED.items():
        text = text.replace(f"{line}\n", f"{line}  # type: ignore[{kind}]\n")
    command = [SCRIPTS / "ruff", "format", "--config", ROOT / "pyproject.toml", "--stdin-filename", STUB, "-"]
    return subprocess.run(command, input=text, text=True, check=True, capture_output=True).stdout


def main() -> int:
    """Write or compare."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--check", action="store_true", help="compare only")
    check = parser.parse_args().check
    text = stub()
    if not check:
        STUB.write_text(text)
        return 0
    before = STUB.read_text().splitlines(keepends=True)
    difference = list(difflib.unified_diff(before, text.splitlines(keepends=True), STUB.name, "the compiled module"))
    sys.stdout.writelines(difference)
    return 1 if difference else 0


if __name__ == "__main__":
    raise SystemExit(main())
