"""How much work is a redraw while the start is dragged, and how soon is the page there? In headless Chromium.

Ten optimizers of 200 steps; what is timed is everything that the page does for one move of the start point: ten paths,
their drawing, the chart, the text, and the layout that follows. The time of the thread counts only what the page itself
computes, script, style, layout and paint, whatever else the machine does. Asks for playwright and /usr/bin/chromium.
"""

from __future__ import annotations

import statistics
import sys
import tempfile
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).parents[1] / "tests"))

from browsing import Page, chromium

from fallline.playground import compose

RULES = ["sgd", "momentum", "nesterov", "adagrad", "rmsprop", "adam", "amsgrad", "nadam", "lion", "adamax"]
MOVE = """async (count) => {
  const handle = document.querySelector(".handle.start"), times = [];
  for (let i = 0; i < count; i++) {
    const key = ["ArrowRight", "ArrowUp", "ArrowLeft", "ArrowDown"][i % 4], begin = performance.now();
    handle.dispatchEvent(new KeyboardEvent("keydown", {key, bubbles: true, cancelable: true}));
    document.querySelector(".stage").getBoundingClientRect();
    times.push(performance.now() - begin);
    await new Promise(requestAnimationFrame);
  }
  return times;
}"""
PAINT = "performance.getEntriesByName('first-contentful-paint')[0]?.startTime"


def metrics(session: Any) -> dict[str, float]:
    """Return what the browser has counted so far."""
    return {entry["name"]: entry["value"] for entry in session.send("Performance.getMetrics")["metrics"]}


def main() -> None:
    """Print a line for each figure."""
    with tempfile.TemporaryDirectory() as folder, chromium() as browser:
        path = Path(folder) / "lab.html"
        path.write_text(compose(), encoding="utf-8")
        runs = "&".join(f"run={rule};lr:0.002" for rule in RULES)
        page = Page(browser.new_page(viewport={"width": 1280, "height": 900}))
        page.open(path.as_uri(), f"lab=optimizers&landscape=himmelblau&start=-1,1&steps=200&{runs}")
        page.tab.evaluate(MOVE, 40)
        session = page.tab.context.new_cdp_session(page.tab)
        session.send("Performance.enable", {"timeDomain": "threadTicks"})
        before, times, after = metrics(session), page.tab.evaluate(MOVE, 200), metrics(session)
        figures = f"median {statistics.median(times):.1f} ms, largest {max(times):.1f} ms"
        print(f"redraw, {len(RULES)} optimizers of 200 steps: {figures}")
        for name in ("ScriptDuration", "LayoutDuration", "RecalcStyleDuration", "TaskDuration"):
            print(f"  thread, {name}: {(after[name] - before[name]) / 200 * 1e3:.2f} ms a move")
        paints = []
        for _ in range(9):
            page.open(path.as_uri())
            page.tab.wait_for_function(PAINT)
            paints.append(page.tab.evaluate(PAINT))
        print(f"first paint: median {statistics.median(paints):.0f} ms; the page has {path.stat().st_size:,} bytes")


if __name__ == "__main__":
    main()
