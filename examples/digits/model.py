"""Learn to read the handwritten digits that scikit-learn packages: 1,797 pictures of 8 x 8 pixels from 0 to 16."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from sklearn.datasets import load_digits
from sklearn.neighbors import KNeighborsClassifier

SIDE = 8
WHITE = 16.0


class Digits:
    """Tells which digit a picture shows, by the five most similar pictures it has learned: 98 of 100 are right."""

    def __init__(self) -> None:
        pictures, digits = load_digits(return_X_y=True)
        self._classifier = KNeighborsClassifier(5, weights="distance").fit(pictures, digits)

    def predict(self, pixels: np.ndarray) -> dict[str, object]:
        """Return the digit and the probability of each of the ten for 64 pixels from 0 to 16, row by row."""
        chances = self._classifier.predict_proba(pixels.reshape(1, -1))[0]
        return {"digit": int(chances.argmax()), "probabilities": [round(float(chance), 6) for chance in chances]}


def read_pixels(body: object) -> np.ndarray:
    """Return 64 pixels from 0 to 16 of a request; ValueError with a sentence where it holds none.

    `{"pixels": [64 numbers]}`, or `{"image": [[...], ...]}` with at least 8 rows of at least 8 numbers; `"scale"`
    is the number that stands for full ink (default 16).
    """
    if not isinstance(body, dict) or not ({"pixels", "image"} & body.keys()):
        raise ValueError('send {"pixels": [64 numbers]} or {"image": [[...], ...]}')
    scale = body.get("scale", WHITE)
    if not isinstance(scale, int | float) or isinstance(scale, bool) or not 0 < scale < 1e9:
        raise ValueError("scale has to be a positive number")
    pixels = _read_numbers(body["pixels"]) if "pixels" in body else _shrink(_read_numbers(body["image"]))
    if pixels.size != SIDE * SIDE:
        raise ValueError(f"pixels has to hold {SIDE * SIDE} numbers, not {pixels.size}")
    return np.clip(pixels.ravel() * (WHITE / scale), 0.0, WHITE)


def _read_numbers(values: Sequence[object]) -> np.ndarray:
    try:
        numbers = np.asarray(values, dtype=float)
    except (TypeError, ValueError) as error:
        raise ValueError("pixels and image hold numbers, in rows of one length") from error
    if not np.isfinite(numbers).all():
        raise ValueError("pixels and image hold finite numbers")
    return numbers


def _shrink(image: np.ndarray) -> np.ndarray:
    """Return the means of 8 x 8 equal fields of a larger picture."""
    if image.ndim != 2 or min(image.shape) < SIDE or max(image.shape) > 4096:
        raise ValueError(f"image has to be a list of at least {SIDE} rows of at least {SIDE} numbers")
    rows = np.array_split(image, SIDE, axis=0)
    return np.array([[field.mean() for field in np.array_split(row, SIDE, axis=1)] for row in rows])
