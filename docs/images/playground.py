"""The README's pictures of the two labs: the page itself, in headless Chromium.

Asks for playwright, pillow and /usr/bin/chromium.
"""

import tempfile
from pathlib import Path

from PIL import Image
from playwright.sync_api import sync_playwright

from fallline.playground import compose

STATES = {
    "optimizers": "",  # as it opens
    "line": "lab=line&batch=1&steps=120&run=sgd;lr:0.1",
}


def main() -> None:
    with tempfile.TemporaryDirectory() as folder, sync_playwright() as driver:
        path = Path(folder) / "lab.html"
        path.write_text(compose(), encoding="utf-8")
        browser = driver.chromium.launch(executable_path="/usr/bin/chromium", args=["--no-sandbox", "--disable-gpu"])
        for name, state in STATES.items():
            tab = browser.new_page(viewport={"width": 1120, "height": 860})
            tab.goto(f"{path.as_uri()}#{state}")
            tab.wait_for_selector(".plane .paths .path")
            picture = Path(__file__).with_name(f"playground_{name}.png")
            tab.screenshot(path=picture)
            Image.open(picture).quantize(256, Image.Quantize.MAXCOVERAGE).save(picture, optimize=True)
        browser.close()


if __name__ == "__main__":
    main()
