"""A convolutional network learns what a dense one does not: which shape is in a picture, wherever it stands (R13).

The same few shapes are drawn at other places, and in noise, for the test.
"""

import numpy as np

import fallline as fl
from fallline import nn

SHAPES = [
    "XX.. XX.. .... ....",
    "X... .X.. ..X. ...X",
    "XXXX .... .... ....",
    ".X.. XXX. .X.. ....",
    "X... X... X... XXXX",
]


def pictures(count: int, places: np.ndarray, rng: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
    shapes = [np.array([[c == "X" for c in row] for row in shape.split()], np.float32) for shape in SHAPES]
    labels = rng.integers(len(shapes), size=count)
    x = rng.normal(0, 0.2, (count, 1, 16, 16)).astype(np.float32)
    for picture, label, (top, left) in zip(x, labels, rng.choice(places, count), strict=True):
        picture[0, top : top + 4, left : left + 4] += shapes[label]
    return x, labels


def main() -> None:
    rng = np.random.default_rng(0)
    fl.random.seed(0)
    places = rng.permutation(np.argwhere(np.ones((13, 13))))
    x, y = pictures(600, places[:80], rng)
    test = pictures(500, places[80:], rng)  # where no shape has stood in training
    dense = nn.Sequential(nn.Flatten(), nn.Linear(256, 64), nn.ReLU(), nn.Linear(64, 5))
    layers = [nn.Conv2d(1, 16, 4), nn.ReLU(), nn.AdaptiveMaxPool2d(1), nn.Flatten(), nn.Linear(16, 5)]
    for name, model in (("dense", dense), ("convolutional", nn.Sequential(*layers))):
        optimizer = fl.optim.Adam(3e-3)
        fl.fit(model, x, y, loss="cross_entropy", optimizer=optimizer, epochs=40, progress=False)
        accuracy = fl.evaluate(model, *test, loss="cross_entropy", metrics=["accuracy"])["accuracy"]
        size = sum(p.size for p in model.parameters().values())
        print(f"{name} network of {size} parameters: test accuracy {accuracy:.3f}")


if __name__ == "__main__":
    main()
