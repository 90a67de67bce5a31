"""How does the time of a training step grow with the width of a net and with its batch?  A cliff would be a mistake."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from functools import partial
from pathlib import Path

import fallline as fl
from fallline._bench import _trainers
from fallline._bench._measure import Effort, Row, Wanted, in_turns, microseconds
from fallline._bench._networks import Net
from fallline._bench._steps import limit

WIDTHS = tuple(2**k for k in range(2, 13))
BATCHES = tuple(2**k for k in range(13))
BATCH, WIDTH = 32, 64  # what stays while the other grows
FEW, MANY = 10, 20_000  # steps of a measurement: enough that what a fit does once does not count


def rows(effort: Effort, wanted: Wanted) -> Iterator[Row]:
    """Yield one row for each width at one batch size, then for each batch size at one width."""
    for width, batch in [*((w, BATCH) for w in WIDTHS), *((WIDTH, b) for b in BATCHES)]:
        layers = (("linear", width, width), ("relu",), ("linear", width, width))
        net = Net(f"growth {width}-{width}-{width}, batch {batch}", layers, (width,), batch)
        if wanted(net.name):
            yield _row(net, effort)


def _row(net: Net, effort: Effort) -> Row:
    least = limit(net)
    steps = int(max(FEW, min(MANY, effort.seconds / least)))
    return Row("growth", net.name, one_thread_and_all(net, steps, effort.rounds), 1e6 * least)


def one_thread_and_all(net: Net, steps: int, rounds: int) -> dict[str, float]:
    """Return the microseconds of a step with as many threads as there are, and with one."""
    train = _trainers.fallline(net, *net.data(steps))
    before = fl.get_num_threads()

    def timed(threads: int) -> float:
        fl.set_num_threads(threads)
        try:
            return train(steps)[0] / steps
        finally:
            fl.set_num_threads(before)

    runners = {"fallline": partial(timed, before), "fallline, one thread": partial(timed, 1)}
    return microseconds(in_turns(runners, rounds))


def picture(rows: Sequence[Row], path: str | Path) -> None:
    """Draw the time of a step against the width, and against the batch size, beside the limit."""
    import matplotlib as mpl

    mpl.use("Agg")
    from matplotlib import pyplot

    of = {(int(name[1].split("-")[0]), int(name[3])): row for row in rows for name in [row.case.split()]}
    panels = (
        (f"width of two layers, batch {BATCH}", {w: of[w, BATCH] for w in WIDTHS if (w, BATCH) in of}),
        (f"batch, width {WIDTH}", {b: of[WIDTH, b] for b in BATCHES if (WIDTH, b) in of}),
    )
    figure, axes = pyplot.subplots(1, 2, figsize=(9, 3.6), sharey=True, layout="constrained")
    for panel, (label, found) in zip(axes, panels, strict=True):
        for name, style in (("fallline", "o-"), ("fallline, one thread", "o--")):
            panel.plot(list(found), [row.times[name] for row in found.values()], style, markersize=4, label=name)
        panel.plot(list(found), [row.limit for row in found.values()], "k:", label="limit of the machine")
        panel.set(xscale="log", yscale="log", xlabel=label)
        panel.set_xscale("log", base=2)
        panel.grid(alpha=0.3)
    axes[0].set_ylabel("microseconds a step")
    axes[0].legend(fontsize=8)
    figure.savefig(path, dpi=120)
    pyplot.close(figure)
