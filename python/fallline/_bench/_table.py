"""How are rows shown?  As Markdown tables and as one picture of how far everyone is from the limit."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from fallline._bench._measure import Row


def markdown(rows: Sequence[Row]) -> str:
    """Return one table per part: microseconds, the limit, and how many times our time the best peer takes."""
    tables = []
    for part in dict.fromkeys(row.part for row in rows):
        mine = [row for row in rows if row.part == part]
        names = list(dict.fromkeys(name for row in mine for name in row.times))
        head = [part, *names, "limit", "best peer / fallline", "fallline / limit"]
        lines = [_line(head), _line(["---"] + ["---:"] * (len(head) - 1))]
        lines += [_line(_cells(row, names)) for row in mine]
        notes = [f"{row.case}: {row.note}" for row in mine if row.note]
        tables.append("\n".join([*lines, *(f"\n{note}" for note in notes)]))
    return "\n\n".join(tables)


def _cells(row: Row, names: Sequence[str]) -> list[str]:
    peer = row.best_peer
    ratio = "" if peer is None else _number(peer[1] / row.ours)
    times = [_number(row.times.get(name)) for name in names]
    return [row.case, *times, _number(row.limit), ratio, "" if not row.limit else _number(row.ours / row.limit)]


def _number(value: float | None) -> str:
    if value is None:
        return ""
    return (
        f"{value:.3f}"
        if value < 1
        else f"{value:.2f}"
        if value < 10
        else f"{value:.1f}"
        if value < 100
        else f"{value:,.0f}"
    )


def _line(cells: Sequence[str]) -> str:
    return f"| {' | '.join(cells)} |"


LIBRARIES = {"torch": "PyTorch", "torch.compile": "PyTorch", "jax": "JAX", "Optax": "JAX", "sklearn": "scikit-learn"}


def _library(contender: str) -> str:
    """Return whose contender this is: they are named by the library first, or as it is imported."""
    first = contender.split()[0].rstrip(",")
    return LIBRARIES.get(first, first)


def picture(rows: Sequence[Row], path: str | Path, title: str) -> None:
    """Draw every contender's time as a multiple of ours, a row for each case and a colour for each library."""
    import matplotlib as mpl

    mpl.use("Agg")
    from matplotlib import pyplot

    rows = [row for row in rows if row.best_peer]
    libraries = dict.fromkeys(_library(n) for row in rows for n in row.times if not n.startswith("fallline"))
    figure, axes = pyplot.subplots(figsize=(9, 1 + 0.22 * len(rows)), layout="constrained")
    for library in libraries:
        found = [
            (t / row.ours, i) for i, row in enumerate(rows) for n, t in row.times.items() if _library(n) == library
        ]
        axes.plot([x for x, _ in found], [i for _, i in found], "o", markersize=5, alpha=0.7, label=library)
    limits = [(row.limit / row.ours, i) for i, row in enumerate(rows) if row.limit]
    axes.plot([x for x, _ in limits], [i for _, i in limits], "k|", markersize=8, label="limit of the machine")
    axes.axvline(1, color="black", linewidth=1)
    axes.set(xscale="log", xlabel="time as a multiple of fallline's", title=title)
    axes.set_yticks(range(len(rows)), [row.case for row in rows], fontsize=7)
    axes.invert_yaxis()
    axes.margins(y=0.01)
    axes.grid(axis="x", alpha=0.3)
    figure.legend(loc="outside lower center", ncols=4, fontsize=8)
    figure.savefig(path, dpi=120)
    pyplot.close(figure)
