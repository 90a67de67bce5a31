"""How far do the inputs of a layer move while others learn?  With batch normalisation and without (R110, R114).

The normalisation stands right before the activation; what comes out of it has mean 0 and deviation 1 at every step. A
hook watches what the last hidden layer gets for the same samples.
"""

import numpy as np

import fallline as fl
from fallline import nn


def network(normalised: bool) -> nn.Sequential:
    fl.random.seed(0)
    layers: list[nn.Module] = []
    for width in (20, 60, 60, 60, 60):
        layers += [nn.Linear(width, 60), *([nn.BatchNorm1d(60)] if normalised else []), nn.Tanh()]
    return nn.Sequential(*layers, nn.Linear(60, 1))


def main() -> None:
    rng = np.random.default_rng(0)
    x = rng.normal(size=(1000, 20)).astype(np.float32)
    y = np.sin(x[:, :1] * x[:, 1:2]) + 3
    for normalised in (False, True):
        model, seen = network(normalised), []
        watched = model[-3]  # what goes into the last activation

        def watch(epoch, history, model, optimizer, watched=watched, seen=seen):
            def keep(module, args, output):
                seen.append(np.asarray(output))

            with watched.register_forward_hook(keep), fl.no_grad():
                model(x)

        fl.fit(model, x, y, loss="mse", optimizer=fl.optim.SGD(0.02), epochs=15, callbacks=[watch], progress=False)
        mean, std = (np.array([f(h, axis=0) for h in seen]) for f in (np.mean, np.std))
        shift = np.abs(mean[-1] - mean[0]) / std[0]
        name = "with" if normalised else "without"
        spread = f"deviation {std[0].mean():.2f} to {std[-1].mean():.2f}"
        print(f"{name}: mean moved by {shift.mean():.2f} deviations, {spread}")


if __name__ == "__main__":
    main()
