"""How is the playground shown in a notebook? As a widget where anywidget is installed, else in a frame."""

from __future__ import annotations

import html
from typing import Any

from fallline.playground import compose, widget_module

__all__ = ["playground"]


class Frame:
    """The whole page inside an ``<iframe>``: nothing is asked from anywhere, nothing comes back to Python."""

    def __init__(self, page: str, height: int) -> None:
        self.page, self.height = page, height

    def _repr_html_(self) -> str:
        return (
            f'<iframe srcdoc="{html.escape(self.page, quote=True)}" title="fallline playground" '
            f'style="width: 100%; height: {self.height}px; border: 0"></iframe>'
        )


def playground(state: str = "", *, height: int = 1400) -> Any:
    """Show the labs of ``fallline playground`` in a notebook.

    Parameters
    ----------
    state
        What is shown first: the part after ``#`` of a link that the page made.
    height
        Pixels of the frame, where anywidget is not installed.

    Returns
    -------
    Widget or Frame
        With anywidget, a widget whose ``state`` follows what is set in the page, and can be set; else a frame.

    Examples
    --------
    >>> lab = fl.viz.playground("lab=optimizers&landscape=rosenbrock&run=adam;lr:0.1")
    """
    try:
        import anywidget
        import traitlets
    except ModuleNotFoundError:
        return Frame(compose(state=state), height)
    module, style = widget_module()
    members = {"_esm": module, "_css": "", "style_text": traitlets.Unicode(style).tag(sync=True)}
    members["state"] = traitlets.Unicode("").tag(sync=True)
    return type("Playground", (anywidget.AnyWidget,), members)(state=state)
