"""Is the page one small file that asks nobody for anything, and is it in the package?"""

from __future__ import annotations

import re
from importlib.resources import files
from pathlib import Path

import pytest

from fallline.playground import compose, write
from fallline.playground._compose import script

MODULES = sorted(p for p in Path(str(files("fallline.playground"))).iterdir() if p.suffix == ".js")


def test_the_page_is_small_and_whole() -> None:
    page = compose()
    assert len(page.encode()) <= 400_000
    assert "{{" not in re.sub(r"<script.*</script>", "", page, flags=re.DOTALL)
    outside = set(re.findall(r"(?:https?:)?//[\w.-]+\.\w+", page)) - {"http://www.w3.org"}
    assert not outside  # the one that stays is the name of SVG, which nobody asks for
    assert not re.findall(r"""<(?:link|script|img)[^>]+(?:src|href)=["'](?!data:)""", page)


def test_what_is_put_into_the_page_cannot_end_its_script() -> None:
    assert "</script" not in script()
    assert '"><script>' not in compose(state='"><script>alert(1)</script>')


def test_every_module_is_in_the_page_once() -> None:
    text = script()
    for module in (p.stem for p in MODULES if p.stem != "widget"):
        assert text.count(f"const {module}_js = ") == 1, module


@pytest.mark.parametrize("path", MODULES, ids=lambda path: path.stem)
def test_a_module_imports_what_it_uses_and_nothing_else(path: Path) -> None:
    text = path.read_text()
    for names, module in re.findall(r'^import \{([^}]*)\} from "\./(\w+)\.js";$', text, re.MULTILINE):
        exported = (path.parent / f"{module}.js").read_text()
        for name, _, other in (part.strip().partition(" as ") for part in names.split(",")):
            assert len(re.findall(rf"\b{other or name}\b", text)) > 1, f"{name} is not used"
            assert re.search(rf"^export (?:async )?(?:function|const) {name}\b", exported, re.MULTILINE), name


def test_the_page_can_be_written(tmp_path: Path) -> None:
    write(tmp_path / "lab.html")
    assert (tmp_path / "lab.html").read_text(encoding="utf-8") == compose()
