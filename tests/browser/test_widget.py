"""Does a notebook show the page, with anywidget and without?"""

from __future__ import annotations

import html
import json
from collections.abc import Callable
from pathlib import Path

import pytest
from absent import run_without
from browsing import Page

import fallline as fl
from fallline.playground import compose, widget_module

HOST = """<!doctype html><html lang="en"><meta charset="utf-8"><title>t</title><div id="out"></div>
<script type="module">
const [state, heard] = [{state: %s, style_text: %s}, {}];
window.model = {
  get: (name) => state[name],
  set: (name, value) => { state[name] = value; heard["change:" + name]?.(); },
  save_changes: () => { window.saved = state.state; },
  on: (event, listener) => { heard[event] = listener; },
};
const text = document.getElementById("code").textContent;
const module = await import(URL.createObjectURL(new Blob([text], {type: "text/javascript"})));
await module.default.render({model: window.model, el: document.getElementById("out")});
window.ready = true;
</script><script type="text/plain" id="code">%s</script></html>"""


def test_the_widget_follows_its_model(tab: Callable[..., Page], tmp_path: Path) -> None:
    module, style = widget_module()
    path = tmp_path / "host.html"
    path.write_text(
        HOST % (json.dumps("lab=optimizers&landscape=beale&run=adam;lr:0.2"), json.dumps(style), module),
        encoding="utf-8",
    )
    page = tab()
    page.tab.goto(path.as_uri())
    page.tab.wait_for_function("window.ready")
    assert page.tab.get_by_label("Landscape", exact=True).input_value() == "beale"
    page.tab.get_by_label("Landscape", exact=True).select_option("booth")
    page.tab.wait_for_function("window.saved?.includes('landscape=booth')")
    page.tab.evaluate("window.model.set('state', 'lab=line&points=50')")
    page.tab.wait_for_selector(".points")


def test_the_widget_s_state_is_python_s() -> None:
    pytest.importorskip("anywidget")
    lab = fl.viz.playground("lab=line&points=50")
    assert lab.state == "lab=line&points=50"
    assert "mount" in lab._esm


def test_without_anywidget_a_frame_holds_the_page() -> None:
    code = "import fallline as fl; print(fl.viz.playground('lab=line', height=700)._repr_html_())"
    found = run_without("anywidget", code)
    assert found.returncode == 0, found.stderr
    page = html.unescape(found.stdout.partition('srcdoc="')[2].partition('" title')[0])
    assert page == compose(state="lab=line")
    assert "height: 700px" in found.stdout


def test_the_frame_works_where_it_has_no_address(tab: Callable[..., Page], tmp_path: Path) -> None:
    path = tmp_path / "notebook.html"
    text = html.escape(compose(state="lab=line&points=50"), quote=True)
    frame = f'<iframe srcdoc="{text}" width="900" height="900"></iframe>'
    path.write_text(f'<!doctype html><meta charset="utf-8">{frame}', encoding="utf-8")
    page = tab()
    page.tab.goto(path.as_uri())
    inside = page.tab.frame_locator("iframe")
    inside.get_by_role("button", name="large").click()
    assert inside.locator(".card .outcome").inner_text() != ""
