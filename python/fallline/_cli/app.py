"""The commands and their options."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Annotated

import typer

import fallline as fl
from fallline._cli import bench as benching
from fallline._cli import fit as fitting
from fallline._cli import options as check
from fallline._cli import playground as playing
from fallline._cli import predict as predicting
from fallline._cli.report import show_info
from fallline.data.source import NAMED
from fallline.data.task import TASKS

app = typer.Typer(
    help="Train neural networks on arrays and tables.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)


def _among(names: Iterable[str]) -> Callable[[str], list[str]]:
    """Return what completes a word to one of these names."""
    known = sorted(names)
    return lambda incomplete: [name for name in known if name.startswith(incomplete.lower())]


Data = Annotated[
    str,
    typer.Argument(
        help="A .csv or .npz file, - for standard input, or digits, breast_cancer, diabetes.",
        autocompletion=_among(NAMED),
    ),
]
Force = Annotated[bool, typer.Option("--force", help="Replace the file that --output names.")]


def _show_version(wanted: bool) -> None:
    if wanted:
        print(f"fallline {fl.__version__}")
        raise typer.Exit


@app.callback()
def common(
    version: Annotated[
        bool, typer.Option("--version", "-V", help="Show the version.", callback=_show_version, is_eager=True)
    ] = False,
) -> None:
    """Train neural networks on arrays and tables."""


@app.command()
def fit(
    data: Data,
    target: Annotated[str | None, typer.Option(help="The CSV column to predict; default: the last one.")] = None,
    task: Annotated[
        str | None,
        typer.Option(
            help="By the target; or classification, regression, ordinal, count, quantile.", autocompletion=_among(TASKS)
        ),
    ] = None,
    column: Annotated[
        list[str] | None, typer.Option(help="NAME=KIND: number, category, date or ignore; may come again.")
    ] = None,
    effort: Annotated[
        str | None,
        typer.Option(help="For tables: quick, default or best.", autocompletion=_among(fitting.EFFORTS)),
    ] = None,
    hidden: Annotated[
        str | None,
        typer.Option(help="A plain network instead: widths of its hidden layers, or none; default: 128,64."),
    ] = None,
    activation: Annotated[
        str | None, typer.Option(help="Between its layers; default: relu.", autocompletion=_among(check.ACTIVATIONS))
    ] = None,
    loss: Annotated[
        str | None,
        typer.Option(
            help="Default: cross_entropy for classes, mse for numbers.",
            autocompletion=_among(check.LOSSES),
        ),
    ] = None,
    optimizer: Annotated[
        str | None, typer.Option(help="By name, such as sgd; default: adam.", autocompletion=_among(check.RATES))
    ] = None,
    lr: Annotated[float | None, typer.Option(help="Learning rate at the start; default: by optimizer.")] = None,
    schedule: Annotated[
        str | None,
        typer.Option(help="How the learning rate changes; default: cosine.", autocompletion=_among(check.SCHEDULES)),
    ] = None,
    batch_size: Annotated[int | None, typer.Option(help="Samples per update; default: 32.")] = None,
    epochs: Annotated[
        int | None, typer.Option(help="Passes over the training rows; default: 20, more where rows are few.")
    ] = None,
    seed: Annotated[int, typer.Option(help="Decides split, initial weights and order.")] = 0,
    validation: Annotated[float, typer.Option(help="Share of rows watched while training.")] = 0.2,
    test: Annotated[float, typer.Option(help="Share of rows held back for the end.")] = 0.2,
    output: Annotated[
        str | None,
        typer.Option(help="Model file, the picture beside it; default: model.safetensors, model-2.safetensors, ..."),
    ] = None,
    force: Force = False,
) -> int:
    """Fit a network to DATA; write the model and a picture of its learning curves.

    Tables get several networks of a recipe for tables. Options of a plain network, from --hidden to --epochs, are
    obeyed: then it is that network which is trained.
    """
    plain = {
        "hidden": hidden,
        "activation": activation,
        "loss": loss,
        "optimizer": optimizer,
        "lr": lr,
        "schedule": schedule,
        "batch_size": batch_size,
        "epochs": epochs,
    }
    return fitting.run(
        fitting.Options(
            data=data,
            target=target,
            **fitting.plain_or_default(plain, effort),
            seed=seed,
            validation=validation,
            test=test,
            output=output,
            force=force,
            task=task,
            columns=tuple(column or ()),
        )
    )


@app.command()
def predict(
    model: Annotated[str, typer.Argument(help="A model file that `fallline fit` wrote.")],
    data: Data,
    output: Annotated[str | None, typer.Option(help="Write a CSV file instead of printing.")] = None,
    force: Force = False,
) -> int:
    """Predict every row of DATA; score the predictions where DATA hold the truth (on stderr when printing)."""
    return predicting.run(model, data, output, force)


@app.command()
def bench(
    parts: Annotated[list[str] | None, typer.Argument(help="steps, optimizers, kernels, around, growth.")] = None,
    only: Annotated[str, typer.Option(help="Cases whose name contains this.")] = "",
) -> int:
    """Measure fallline beside the peers that are installed, in about a minute; print the table as Markdown."""
    return benching.run(parts, only)


@app.command()
def playground(
    port: Annotated[int, typer.Option(min=0, max=65535, help="Where to serve; 0 takes a free port.")] = 0,
    browser: Annotated[bool, typer.Option("--browser/--no-browser", help="Open the page in the browser.")] = True,
    output: Annotated[str | None, typer.Option(help="Write the page to this file instead of serving it.")] = None,
    force: Force = False,
) -> int:
    """See gradient descent, momentum, Adam and all others go down a landscape, in the browser."""
    return playing.run(port, browser, output, force)


@app.command()
def info() -> int:
    """Show the version, the CPU targets, the threads and the counters."""
    return show_info()
