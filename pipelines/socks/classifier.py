"""Which sock a picture shows: a small model over its colours and textures, trained on a folder of photos with a subfolder for each class."""

from __future__ import annotations

import os
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import numpy.typing as npt

from penstock.errors import ConfigError

Picture = npt.NDArray[Any]
"""Height x width x 3 bytes: red, green, blue."""
Vector = npt.NDArray[np.float32]

SIDE = (96, 72)
HUES, SATURATIONS, VALUES = 12, 4, 4
OF_EACH_MIN = 3
PHOTOS = (".jpg", ".jpeg", ".png", ".bmp", ".webp")


def features(picture: Picture) -> Vector:
    """The picture as numbers, of the same length for a picture of any size: how much there is of each colour, how much of each texture (local
    binary patterns, at two scales), and how strong its edges are in each direction."""
    small = cv2.resize(picture, SIDE, interpolation=cv2.INTER_AREA)
    hsv = cv2.cvtColor(small, cv2.COLOR_RGB2HSV)
    colours = cv2.calcHist([hsv], [0, 1, 2], None, [HUES, SATURATIONS, VALUES], [0, 180, 0, 256, 0, 256]).ravel()
    grey = cv2.GaussianBlur(cv2.cvtColor(small, cv2.COLOR_RGB2GRAY), (3, 3), 0).astype(np.float32)
    dx, dy = cv2.Sobel(grey, cv2.CV_32F, 1, 0), cv2.Sobel(grey, cv2.CV_32F, 0, 1)
    strength, angle = cv2.cartToPolar(dx, dy)
    edges = np.histogram(angle % np.pi, bins=8, range=(0, np.pi), weights=strength)[0] / grey.size / 16
    parts = [_share(colours), _share(_patterns(grey, 1)), _share(_patterns(grey, 3)), edges]
    return np.concatenate(parts).astype(np.float32)


def _share(counts: npt.NDArray[Any]) -> npt.NDArray[Any]:
    """Counts as shares of the whole, their roots taken, so that what is rare counts too."""
    return np.sqrt(counts / max(1.0, float(counts.sum())))


def _patterns(grey: npt.NDArray[Any], reach: int) -> npt.NDArray[Any]:
    """How often a pixel has how many brighter neighbours, and in how many runs around it: local binary patterns that a turn leaves as they are."""
    steps = [(-1, -1), (-1, 0), (-1, 1), (0, 1), (1, 1), (1, 0), (1, -1), (0, -1)]
    middle = grey[reach:-reach, reach:-reach]
    height, width = middle.shape
    around = np.stack([grey[reach + dy * reach :, reach + dx * reach :][:height, :width] > middle + 4 for dy, dx in steps])
    brighter = around.sum(0)
    runs = (around != np.roll(around, 1, 0)).sum(0) // 2
    return np.bincount((brighter * 5 + runs).ravel(), minlength=45)[:45]


class Classifier:
    """A model that knows some classes. It is kept as the features of its photos, and fitted when it is made (which takes milliseconds): a file
    of numbers, unlike a pickled model, runs nothing when it is read."""

    def __init__(self, vectors: npt.NDArray[np.float32], labels: Sequence[str]) -> None:
        from sklearn.linear_model import LogisticRegression
        from sklearn.pipeline import make_pipeline
        from sklearn.preprocessing import StandardScaler

        counts = {label: list(labels).count(label) for label in sorted(set(labels))}
        few = [label for label, count in counts.items() if count < OF_EACH_MIN]
        if len(counts) < 2 or few:
            raise ConfigError(
                f"There are {len(counts)} classes to learn{f', and few photos of {few}' if few else ''}.",
                mend=f"Make a subfolder for each sock and one for the wall, with {OF_EACH_MIN} photos each or more.",
            )
        self._vectors, self._labels = vectors, list(labels)
        # Scaling would blow up the noise of what hardly ever differs; a strong prior keeps the certainties honest.
        self._model = make_pipeline(StandardScaler(with_std=False), LogisticRegression(C=50.0, max_iter=500))
        self._model.fit(vectors, labels)

    @property
    def classes(self) -> list[str]:
        """What it knows."""
        return [str(name) for name in self._model.classes_]

    def recognise(self, picture: Picture) -> tuple[str, float]:
        """The most likely class, and how likely it is, in per cent."""
        certainties = self._model.predict_proba(features(picture)[None])[0]
        best = int(certainties.argmax())
        return self.classes[best], float(certainties[best]) * 100

    def save(self, path: Path) -> None:
        """Write it to a file."""
        draft = path.with_name(path.name + ".draft")
        with draft.open("wb") as file:
            np.savez_compressed(file, vectors=self._vectors, labels=np.array(self._labels))
        os.replace(draft, path)

    @classmethod
    def load(cls, path: Path) -> Classifier:
        """Read it from a file. Raises ConfigError."""
        try:
            with np.load(path, allow_pickle=False) as parts:
                return cls(parts["vectors"], [str(label) for label in parts["labels"]])
        except OSError as error:
            raise ConfigError(
                f"There is no model {path}: {error.strerror or error}.",
                mend=f"Train one: python -m pipelines.socks.camera --train FOLDER --model {path}",
            ) from error
        except (ValueError, KeyError) as error:
            raise ConfigError(f"{path} is no model: {error}.", mend="Train it again.") from error


def learn(examples: Iterable[tuple[str, Picture]]) -> Classifier:
    """A model out of pictures with their classes."""
    known = [(label, features(picture)) for label, picture in examples]
    return Classifier(np.array([vector for _, vector in known]), [label for label, _ in known])


def learn_folder(folder: Path) -> Classifier:
    """A model out of a folder of photos: each subfolder is a class. Raises ConfigError for a photo that cannot be read."""
    return learn((photo.parent.name, read_picture(photo)) for photo in photos(folder, "*/*"))


def photos(folder: Path, pattern: str = "*") -> list[Path]:
    """The photos of a folder, by name. Raises ConfigError where there is none."""
    found = sorted(path for path in folder.glob(pattern) if path.suffix.lower() in PHOTOS)
    if not found:
        raise ConfigError(f"There are no photos in {folder}/{pattern}.", mend=f"They end in {', '.join(PHOTOS)}.")
    return found


def read_picture(path: Path) -> Picture:
    """A photo. Raises ConfigError."""
    picture = cv2.imread(str(path), cv2.IMREAD_COLOR)
    if picture is None:
        raise ConfigError(f"{path} is no photo that can be read.")
    return cv2.cvtColor(picture, cv2.COLOR_BGR2RGB)
