"""How does the page become one file? Style, modules and WebAssembly are put into ``page.html``: no build step."""

from __future__ import annotations

import base64
import html
import json
import re
from functools import lru_cache
from importlib.resources import files
from pathlib import Path

__all__ = ["compose", "script", "wasm", "widget_module", "write"]

IMPORT = re.compile(r'^import \{([^}]*)\} from "\./(\w+)\.js";\n', re.MULTILINE)
EXPORT = re.compile(r"^export (?=(?:async function|function|const) (\w+))", re.MULTILINE)


def _read(name: str) -> str:
    return files(__package__).joinpath(name).read_text(encoding="utf-8")


def _imports(text: str) -> list[tuple[str, str]]:
    return [(names, module) for names, module in IMPORT.findall(text)]


def _wrapped(module: str, text: str) -> str:
    """Give a module a scope of its own: ``const x_js = (() => { ...; return {exported, names}; })();``."""
    names = EXPORT.findall(text)
    taken = "".join(
        f"const {{{', '.join(re.sub(r' as ', ': ', n.strip()) for n in used.split(','))}}} = {other}_js;\n"
        for used, other in _imports(text)
    )
    body = EXPORT.sub("", IMPORT.sub("", text))
    return f"const {module}_js = (() => {{\n{taken}{body}return {{{', '.join(names)}}};\n}})();\n"


@lru_cache(maxsize=1)
def script() -> str:
    """Return all modules as one script, which leaves ``main_js``: those that others import come first."""
    order: list[str] = []
    texts: dict[str, str] = {}

    def visit(module: str) -> None:
        if module in texts:
            return
        texts[module] = _read(f"{module}.js")
        for _, other in _imports(texts[module]):
            visit(other)
        order.append(module)

    visit("main")
    return "".join(_wrapped(module, texts[module]) for module in order).replace("</script", "<\\/script")


def wasm() -> str:
    """Return the module of formulas in base64."""
    return base64.b64encode(files(__package__).joinpath("fallline.wasm").read_bytes()).decode()


def compose(*, server: str | None = None, state: str = "") -> str:
    """Return the whole page as one text that asks nobody for anything.

    Parameters
    ----------
    server
        Where rules on whole tensors are computed: a path of the server that hands out the page; None without one.
    state
        What the page shows where its address says nothing: the part after ``#`` of a link to it.

    Examples
    --------
    >>> page = compose()
    >>> page.startswith("<!doctype html>"), len(page) < 400_000
    (True, True)
    """
    parts = {
        "style": _read("style.css"),
        "script": script(),
        "wasm": wasm(),
        "server": json.dumps(server),
        "state": html.escape(state, quote=True),
    }
    return re.sub(r"\{\{(\w+)\}\}", lambda found: parts[found[1]], _read("page.html"))


def widget_module() -> tuple[str, str]:
    """Return what a notebook's widget runs, and its style."""
    return f'{script()}const WASM = "{wasm()}";\n{_read("widget.js")}', _read("style.css")


def write(path: str | Path) -> None:
    """Write the page to a file."""
    Path(path).write_text(compose(), encoding="utf-8")
