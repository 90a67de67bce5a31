"""Handwritten digits: a network with one hidden layer, trained in native code.

Run with the path of an archive that holds x_train, y_train, x_test, y_test: `python fit_mnist.py mnist.npz`.
"""

import sys

import numpy as np

import fallline as fl


def main(path: str) -> None:
    data = np.load(path)
    x, x_test = (data[name].reshape(len(data[name]), -1).astype(np.float32) / 255 for name in ("x_train", "x_test"))
    y, y_test = (data[name].astype(np.int64) for name in ("y_train", "y_test"))

    fl.random.seed(0)
    model = fl.nn.Sequential(fl.nn.Linear(x.shape[1], 128), fl.nn.ReLU(), fl.nn.Linear(128, 10))
    history = fl.fit(
        model, x, y, loss="cross_entropy", optimizer="adam", epochs=5, validation=(x_test, y_test), metrics=["accuracy"]
    )
    for epoch, (loss, accuracy) in enumerate(zip(history["loss"], history["val_accuracy"], strict=True), start=1):
        print(f"epoch {epoch}  loss {loss:.4f}  test accuracy {accuracy:.4f}")


if __name__ == "__main__":
    if len(sys.argv) != 2:
        sys.exit("usage: python fit_mnist.py mnist.npz")
    main(sys.argv[1])
