"""Draws the way of a batch from `fit` to the kernels and back: docs/images/architecture.png.

python docs/images/architecture.py
"""

from __future__ import annotations

from pathlib import Path

import matplotlib

matplotlib.use("Agg")
import matplotlib.pyplot as plt

HERE = Path(__file__).parent
# Name, what it does, where it stands; once per fit above the line, once per step below it.
ONCE = [
    ("fit", "checks, one trace\nfor each batch size", "python/fallline/train"),
    ("trace", "placeholders run\nthrough the model", "transforms, cpp/record"),
    ("derivative", "the way back is\ntraced too", "cpp/primitives"),
    ("passes", "repeated, unread,\nmerged steps", "cpp/plan/merge.cpp"),
    ("groups, arena", "blocks in the cache,\na place for each value", "cpp/plan"),
]
EACH = [
    ("gather", "the rows of a batch,\ncast", "cpp/train/batch_rows"),
    ("forward", "kernels chosen by\nthe CPU target", "cpp/ops, cpp/nn"),
    ("backward", "gradients, some of\nthem tile by tile", "cpp/ops, cpp/plan"),
    ("update", "the rule over all\nparameters", "cpp/optim"),
    ("record", "loss, metrics, norm\nof the gradient", "cpp/train/loop"),
]


def draw() -> None:
    """Draw two rows of boxes."""
    figure, axes = plt.subplots(figsize=(10, 4.2))
    for row, (title, boxes, colour) in enumerate((("once", ONCE, "#d9e6f2"), ("every step", EACH, "#f6e3cf"))):
        y = 1 - row
        axes.text(-0.62, y, title, ha="center", va="center", rotation=90, fontsize=11, color="#555555")
        for i, (name, what, where) in enumerate(boxes):
            axes.add_patch(plt.Rectangle((i - 0.42, y - 0.33), 0.84, 0.66, facecolor=colour, edgecolor="#777777"))
            axes.text(i, y + 0.2, name, ha="center", va="center", fontsize=11, weight="bold")
            axes.text(i, y - 0.02, what, ha="center", va="center", fontsize=8.5)
            axes.text(i, y - 0.24, where, ha="center", va="center", fontsize=7, color="#444444", family="monospace")
            if i:
                axes.annotate("", (i - 0.43, y), (i - 0.57, y), arrowprops={"arrowstyle": "->", "color": "#555555"})
    axes.annotate("", (0, 0.36), (4, 0.64), arrowprops={"arrowstyle": "->", "color": "#aaaaaa"})
    axes.text(2, 0.5, "a plan: steps with addresses, run n times without Python", ha="center", va="center", fontsize=9,
              bbox={"facecolor": "white", "edgecolor": "none"})  # fmt: skip
    axes.annotate("", (0, -0.36), (4, -0.36), arrowprops={"arrowstyle": "->", "color": "#555555",
                                                           "connectionstyle": "arc3,rad=-0.08"})  # fmt: skip
    axes.set(xlim=(-0.8, 4.6), ylim=(-0.75, 1.5))
    axes.axis("off")
    figure.tight_layout()
    figure.savefig(HERE / "architecture.png", dpi=110)


if __name__ == "__main__":
    draw()
