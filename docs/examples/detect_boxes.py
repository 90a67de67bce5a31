"""Cars and pedestrians in pictures: where, how large and which, with the loss of YOLO (Redmon et al. 2016; R20, R21).

Cars are wide and low, pedestrians narrow and high. Each picture has a grid of 4 x 4 cells; the cell that holds the
middle of an object answers for it: x, y in the cell, width and height in the picture, how sure, and the class.
"""

import numpy as np

import fallline as fl
from fallline import nn

SIZE, GRID, CLASSES = 32, 4, ("car", "pedestrian")
CELL = SIZE // GRID


def pictures(count: int, rng: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
    """Return pictures with one or two objects, and targets (n, grid, grid, 5 + classes)."""
    x = rng.normal(0, 0.1, (count, 1, SIZE, SIZE)).astype(np.float32)
    y = np.zeros((count, GRID, GRID, 5 + len(CLASSES)), np.float32)
    for picture, target in zip(x, y, strict=True):
        for _ in range(rng.integers(1, 3)):
            label = rng.integers(2)
            wide, high = (rng.integers(9, 13), rng.integers(4, 7))[:: 1 if label == 0 else -1]
            left, top = rng.integers(0, SIZE - wide), rng.integers(0, SIZE - high)
            middle = (left + wide / 2) / CELL, (top + high / 2) / CELL
            column, row = int(middle[0]), int(middle[1])
            if target[row, column, 4] or (picture[0, top : top + high, left : left + wide] > 0.6).any():
                continue  # taken
            picture[0, top : top + high, left : left + wide] += 1
            box = middle[0] - column, middle[1] - row, wide / SIZE, high / SIZE, 1.0
            target[row, column] = [*box, *(label == np.arange(2))]
    return x, y


class Detector(nn.Module):
    """Convolutions down to 7 numbers for each cell; the last is linear, as in the paper, and starts at 0.3."""

    def __init__(self) -> None:
        super().__init__()
        layers = [nn.Conv2d(1, 16, 3, padding=1), nn.ReLU(), nn.MaxPool2d(2)]
        layers += [nn.Conv2d(16, 32, 3, padding=1), nn.ReLU(), nn.MaxPool2d(2)]
        layers += [nn.Conv2d(32, 48, 3, padding=1), nn.ReLU(), nn.MaxPool2d(2)]
        last = nn.Conv2d(48, 7, 1, bias_init=nn.init.constant(0.3))
        self.features = nn.Sequential(*layers, nn.Conv2d(48, 48, 3, padding=1), nn.ReLU(), last)

    def forward(self, x):
        """Return (n, grid, grid, 7)."""
        return fl.permute_dims(self.features(x), (0, 2, 3, 1))


def corners(boxes: np.ndarray, place: np.ndarray) -> np.ndarray:
    """Return left, top, right and bottom in the picture, from 0 to 1, of boxes in their cells (row, column)."""
    middle = (boxes[:, :2] + place[:, ::-1]) / GRID
    return np.concatenate([middle - boxes[:, 2:4] / 2, middle + boxes[:, 2:4] / 2], axis=1)


def overlap(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    """Return the intersection over the union of boxes."""
    inner = np.clip(np.minimum(a[:, 2:], b[:, 2:]) - np.maximum(a[:, :2], b[:, :2]), 0, None).prod(1)
    areas = [(box[:, 2:] - box[:, :2]).prod(1) for box in (a, b)]
    return inner / (areas[0] + areas[1] - inner)


def main() -> None:
    rng = np.random.default_rng(0)
    fl.random.seed(0)
    x, y = pictures(1500, rng)
    x_test, y_test = pictures(200, rng)

    def loss(output, target):
        return nn.losses.yolo_v1(output, target, boxes=1, classes=2)

    model = Detector()
    fl.fit(model, x, y, loss=loss, optimizer=fl.optim.Adam(2e-3), epochs=20, progress=False)
    found = np.asarray(fl.predict(model, x_test))

    there = y_test[..., 4] > 0
    place = np.argwhere(there)[:, 1:]
    hits, false = (found[..., 4] > 0.5) & there, (found[..., 4] > 0.5) & ~there
    ious = overlap(corners(found[there], place), corners(y_test[there], place))
    right = found[there][:, 5:].argmax(1) == y_test[there][:, 5:].argmax(1)
    print(f"{there.sum()} objects: found {hits.sum() / there.sum():.3f}, false alarms {false.sum()}")
    print(f"mean overlap of boxes {ious.mean():.3f}, right class {right.mean():.3f}")


if __name__ == "__main__":
    main()
