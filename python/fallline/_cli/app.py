"""The commands and their options."""

from __future__ import annotations

from typing import Annotated

import typer

from fallline._cli import bench as benching
from fallline._cli import fit as fitting
from fallline._cli import predict as predicting
from fallline._cli.report import show_info

app = typer.Typer(
    help="Train neural networks on arrays and tables.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
)

Data = Annotated[str, typer.Argument(help="A .csv or .npz file, or digits, breast_cancer, diabetes.")]


@app.command()
def fit(
    data: Data,
    target: Annotated[str | None, typer.Option(help="The CSV column to predict.")] = None,
    hidden: Annotated[str, typer.Option(help="Widths of the hidden layers, or none.")] = "128,64",
    activation: Annotated[str, typer.Option(help="Between the layers.")] = "relu",
    loss: Annotated[str | None, typer.Option(help="Default: cross_entropy for classes, mse for numbers.")] = None,
    optimizer: Annotated[str, typer.Option(help="By name, such as adam, sgd, momentum.")] = "adam",
    lr: Annotated[float | None, typer.Option(help="Learning rate at the start; default: by optimizer.")] = None,
    schedule: Annotated[str, typer.Option(help="How the learning rate changes.")] = "cosine",
    batch_size: Annotated[int, typer.Option(help="Samples per update.")] = 32,
    epochs: Annotated[int, typer.Option(help="Passes over the training rows.")] = 20,
    seed: Annotated[int, typer.Option(help="Decides split, initial weights and order.")] = 0,
    validation: Annotated[float, typer.Option(help="Share of rows watched while training.")] = 0.2,
    test: Annotated[float, typer.Option(help="Share of rows held back for the end.")] = 0.2,
    output: Annotated[str, typer.Option(help="Model file; the picture gets the same name.")] = "model.safetensors",
) -> int:
    """Fit a network to DATA; write the model and a picture of its learning curves."""
    return fitting.run(
        fitting.Options(
            data=data,
            target=target,
            hidden=hidden,
            activation=activation,
            loss=loss,
            optimizer=optimizer,
            lr=lr,
            schedule=schedule,
            batch_size=batch_size,
            epochs=epochs,
            seed=seed,
            validation=validation,
            test=test,
            output=output,
        )
    )


@app.command()
def predict(
    model: Annotated[str, typer.Argument(help="A model file that `fallline fit` wrote.")],
    data: Data,
    output: Annotated[str | None, typer.Option(help="Write a CSV file instead of printing.")] = None,
) -> int:
    """Predict every row of DATA; score the predictions where DATA hold the truth (on stderr when printing)."""
    return predicting.run(model, data, output)


@app.command()
def bench(
    parts: Annotated[list[str] | None, typer.Argument(help="steps, optimizers, kernels, around, growth.")] = None,
    only: Annotated[str, typer.Option(help="Cases whose name contains this.")] = "",
) -> int:
    """Measure fallline beside the peers that are installed, in about a minute; print the table as Markdown."""
    return benching.run(parts, only)


@app.command()
def info() -> int:
    """Show the version, the CPU targets, the threads and the counters."""
    return show_info()
