"""Each layer uses only what lies below it: every C++ include and every Python import, by rank."""

from __future__ import annotations

import ast
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
CPP = ("simd", "tensor", "ops", "record", "primitives", "plan", "optim", "nn", "train", "bindings", "wasm")
PYTHON: tuple[tuple[str, ...], ...] = (
    ("_core", "_doc", "_hints", "_html", "_arguments", "_explain"),
    ("_array", "_tree", "tree", "_constants", "_info", "_paths"),
    ("_creation",),
    ("_ops",),
    ("_images", "_methods", "_decompositions", "linalg", "fft", "random"),
    ("_moves", "_products", "_composed"),
    ("transforms", "_numpy"),
    ("testing",),
    ("optim",),
    ("landscapes",),
    ("nn",),
    ("data",),
    ("train",),
    ("tabular",),
    ("playground",),
    ("viz", "diagnose", "integrations"),
    ("_bench", "_cli"),
    ("cli",),
    ("__main__",),
)
RANK = {name: rank for rank, names in enumerate(PYTHON) for name in names}
INCLUDE = re.compile(r'^\s*#\s*include\s+"([a-z_]+)/', re.MULTILINE)


def upward_includes(layer: str, text: str) -> list[str]:
    """Return the layers that a C++ file of `layer` includes and must not."""
    return [found for found in INCLUDE.findall(text) if found in CPP and CPP.index(found) > CPP.index(layer)]


def imports(tree: ast.AST) -> Iterator[str]:
    """Yield the modules of fallline that a file imports, without those for the type checker alone."""
    skipped = {
        inner
        for node in ast.walk(tree)
        if isinstance(node, ast.If) and ast.unparse(node.test) == "TYPE_CHECKING"
        for inner in ast.walk(node)
    }
    for node in ast.walk(tree):
        if node in skipped:
            continue
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.level == 0:
            yield from (f"{node.module}.{alias.name}" for alias in node.names)


def upward_imports(module: str, text: str) -> list[str]:
    """Return the imports of a Python file of `module` that do not go down."""
    wrong = []
    for name in imports(ast.parse(text)):
        parts = name.split(".")
        if parts[0] != "fallline":
            continue
        found = parts[1] if len(parts) > 1 and parts[1] in RANK else "__init__"
        top = RANK["_cli"] if found == "__init__" else RANK[found]  # all names at once: for the command line
        if found != module and top > RANK[module]:
            wrong.append(name)
    return wrong


CPP_FILES = sorted(
    p for layer in CPP for p in (ROOT / "cpp" / layer).rglob("*") if p.suffix in {".h", ".cpp", ".cu", ".cuh"}
)
PYTHON_FILES = sorted((ROOT / "python" / "fallline").rglob("*.py"))


@pytest.mark.parametrize("path", CPP_FILES, ids=lambda p: str(p.relative_to(ROOT)))
def test_a_cpp_file_includes_lower_layers_only(path: Path) -> None:
    assert not upward_includes(path.relative_to(ROOT / "cpp").parts[0], path.read_text())


@pytest.mark.parametrize("path", PYTHON_FILES, ids=lambda p: str(p.relative_to(ROOT)))
def test_a_python_file_imports_lower_layers_only(path: Path) -> None:
    module = path.relative_to(ROOT / "python" / "fallline").parts[0].removesuffix(".py")
    if module == "__init__":
        named = {name.split(".")[1] for name in imports(ast.parse(path.read_text())) if name.startswith("fallline.")}
        assert not named & {"cli", "_cli", "data", "__main__"}, "importing fallline must not load the command line"
        return
    assert module in RANK, f"give {module} its rank in PYTHON"
    assert not upward_imports(module, path.read_text())


def test_every_layer_of_cpp_is_known() -> None:
    assert {p.name for p in (ROOT / "cpp").iterdir() if p.is_dir()} - {"cmake"} <= set(CPP)


def objects() -> list[tuple[str, Path]]:
    """Return the layers and object files of the newest build that is at hand, of sources that exist."""
    builds = sorted(ROOT.glob("build/**/fallline_core.dir/cpp"), key=lambda p: p.stat().st_mtime)
    found = [(layer, path) for layer in CPP for path in (builds[-1] / layer).glob("*.o")] if builds else []
    return [(layer, path) for layer, path in found if (ROOT / "cpp" / layer / path.name.removesuffix(".o")).exists()]


def symbols(path: Path, *options: str) -> set[str]:
    """Return the names that nm finds in an object file."""
    done = subprocess.run(["nm", "-P", *options, str(path)], capture_output=True, text=True, check=True)
    rows = (line.split() for line in done.stdout.splitlines())
    return {row[0] for row in rows if len(row) > 1 and row[1] not in "wWvVu"}


def upward_symbols(needs: dict[str, set[str]], has: dict[str, set[str]]) -> list[tuple[str, str, str]]:
    """Return which layer needs what from a layer above; what it can have from below, too, is no fault."""
    return [
        (layer, name, above)
        for layer, names in needs.items()
        for above in CPP[CPP.index(layer) + 1 :]
        for name in sorted(names & has.get(above, set()))
        if not any(name in has.get(below, set()) for below in CPP[: CPP.index(layer) + 1])
    ]


@pytest.mark.skipif(shutil.which("nm") is None or not objects(), reason="no nm, or no object files under build/")
def test_an_object_file_needs_symbols_of_lower_layers_only() -> None:
    needs, has = {layer: set[str]() for layer in CPP}, {layer: set[str]() for layer in CPP}
    for layer, path in objects():
        needs[layer] |= symbols(path, "-u")
        has[layer] |= symbols(path, "-g", "--defined-only")
    assert sum(map(len, has.values())) > 100, "nm found next to nothing"
    assert upward_symbols(needs, has) == []


def test_the_check_of_symbols_sees_what_it_should() -> None:
    needs, has = {"ops": {"f", "g"}}, {"record": {"f"}, "plan": {"g"}, "tensor": {"g"}}
    assert upward_symbols(needs, has) == [("ops", "f", "record")]


def finds_by_name(text: str) -> bool:
    """Return whether C++ compares something with a string, as who looks for an op by its name would."""
    code = re.sub(r"//.*", "", text)
    return re.search(r'[!=]=\s*"|"\s*[!=]=|strcmp|string_view\([^)]*name', code) is not None


def test_rows_are_found_by_what_they_say_never_by_their_names() -> None:
    for path in CPP_FILES:
        if path.relative_to(ROOT / "cpp").parts[0] in {"record", "primitives", "plan", "optim", "nn", "train"}:
            assert not finds_by_name(path.read_text()), f"{path.name} compares a name"
    assert finds_by_name('if (std::string_view(step.primitive->name) == "matmul") return;')
    assert finds_by_name('return "relu" == name;')
    assert not finds_by_name('throw ShapeError("[matmul] inner sizes differ: "); // == "matmul"')


def test_ops_and_tape_stay_behind_their_walls() -> None:
    for path in (p for layer in ("record", "primitives", "plan") for p in (ROOT / "cpp" / layer).rglob("*.h")):
        assert "pack-inl.h" not in path.read_text(), f"{path.name} sees a SIMD type"
    for path in (ROOT / "cpp" / "ops").rglob("*.h"):
        names = re.findall(r"\b[A-Z][a-z]+\b", re.sub(r"//.*", "", path.read_text()))
        assert "Var" not in names, f"{path.name} sees a Var"


REFERENCES = [p for names in ("reference*.py", "reference_*/*.py", "twins/*.py") for p in (ROOT / "tests").glob(names)]


@pytest.mark.parametrize("path", REFERENCES, ids=lambda path: f"{path.parent.name}-{path.stem}")
def test_a_reference_imports_numpy_alone(path: Path) -> None:
    tops = {name.split(".")[0] for name in imports(ast.parse(path.read_text()))}
    assert tops - set(sys.stdlib_module_names) - {"reference_rules", "twins"} <= {"numpy"}


def test_the_check_sees_what_it_should() -> None:
    assert upward_includes("ops", '#include "record/var.h"\n#include "simd/targets.h"\n') == ["record"]
    assert upward_imports("optim", "from fallline import _core, nn\nimport fallline.train._fit") == [
        "fallline.nn",
        "fallline.train._fit",
    ]
    assert upward_imports("optim", "def f():\n    import fallline as fl") == ["fallline"]
    assert not upward_imports("nn", "if TYPE_CHECKING:\n    from fallline.train import fit")
