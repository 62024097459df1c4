"""Made pictures: socks of some designs before a wall, held by an unsteady hand in changing light."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path

import cv2
import numpy as np

from .classifier import Picture
from .config import Sock

WIDTH, HEIGHT = 160, 120
WALL = (205, 205, 195)
# A sock that stands upright in a square of 100: the leg, the heel, the foot.
OUTLINE = np.array([[36, 5], [64, 5], [64, 52], [88, 70], [94, 82], [86, 93], [70, 95], [40, 80], [36, 66]], np.float32)


def draw(sock: Sock | None, random: np.random.Generator, *, entering: float = 1.0) -> Picture:
    """A picture of the sock, or of the wall alone. `entering`: how far the sock is in the picture, 0 to 1; one that moves is blurred."""
    shade = random.normal(0, 12)
    picture = np.full((HEIGHT, WIDTH, 3), WALL, np.float32) + shade
    picture += np.linspace(-1, 1, WIDTH)[None, :, None] * random.uniform(-14, 14)  # light from a side
    if sock is not None and entering > 0:
        _hold(picture, sock, random, entering)
    length = 1 + 2 * int(random.integers(0, 2) + (6 if sock is not None and entering < 1 else 0))
    picture = cv2.blur(picture, (length, 1)).astype(np.float32)
    picture = picture * random.uniform(0.8, 1.15) + random.normal(0, 5, picture.shape).astype(np.float32)
    whole: Picture = np.clip(picture, 0, 255).astype(np.uint8)
    return whole


def write_pictures(folder: Path, socks: Sequence[Sock], blank: str, *, of_each: int, seed: int) -> None:
    """Made photos: one subfolder a class."""
    for name, picture in labelled(socks, blank, of_each=of_each, seed=seed):
        (folder / name).mkdir(parents=True, exist_ok=True)
        number = len(list((folder / name).iterdir()))
        cv2.imwrite(str(folder / name / f"{number:04}.png"), cv2.cvtColor(picture, cv2.COLOR_RGB2BGR))


def labelled(socks: Sequence[Sock], blank: str, *, of_each: int, seed: int) -> list[tuple[str, Picture]]:
    """Pictures to learn from, each with its class."""
    random = np.random.default_rng(seed)
    return [(sock.name if sock else blank, draw(sock, random)) for sock in (*socks, None) for _ in range(of_each)]


def _hold(picture: Picture, sock: Sock, random: np.random.Generator, entering: float) -> None:
    """Put the sock into the picture: turned, moved, smaller or larger."""
    size, angle = random.uniform(0.85, 1.15), random.normal(0, 14)
    turn = cv2.getRotationMatrix2D((50, 50), angle, size)
    at = np.array([WIDTH / 2 + random.normal(0, 10) - (1 - entering) * WIDTH * 0.75, HEIGHT / 2 + random.normal(0, 6)])
    turn[:, 2] += at - 50
    cloth = _cloth(sock)
    shape = np.zeros((100, 100), np.uint8)
    cv2.fillPoly(shape, [OUTLINE.astype(np.int32)], 255)
    placed = cv2.warpAffine(cloth, turn, (WIDTH, HEIGHT))
    mask = cv2.warpAffine(shape, turn, (WIDTH, HEIGHT)).astype(np.float32)[..., None] / 255
    picture[:] = picture * (1 - mask) + placed * mask


def _cloth(sock: Sock) -> Picture:
    """A square of 100 in the sock's colours and pattern."""
    cloth = np.full((100, 100, 3), sock.colour, np.uint8)
    PAINT[sock.pattern](cloth, sock)
    return cloth


def _stripes(cloth: Picture, sock: Sock) -> None:
    for top in range(8, 100, 18):
        cv2.rectangle(cloth, (0, top), (100, top + 7), sock.second, -1)


def _dots(cloth: Picture, sock: Sock) -> None:
    for row, y in enumerate(range(6, 100, 14)):
        for x in range(6 + row % 2 * 7, 100, 14):
            cv2.circle(cloth, (x, y), 4, sock.second, -1)


def _diamonds(cloth: Picture, sock: Sock) -> None:
    for y in range(10, 100, 26):
        for x in range(10, 100, 20):
            cv2.fillPoly(cloth, [np.array([[x, y - 11], [x + 8, y], [x, y + 11], [x - 8, y]], np.int32)], sock.second)


def _band(cloth: Picture, sock: Sock) -> None:
    cv2.rectangle(cloth, (0, 5), (100, 18), sock.second, -1)
    cv2.rectangle(cloth, (60, 0), (100, 100), sock.second, -1)


def _letters(cloth: Picture, sock: Sock) -> None:
    for y in range(20, 100, 22):
        cv2.putText(cloth, sock.name[:3].lower(), (30, y), cv2.FONT_HERSHEY_SIMPLEX, 0.6, sock.second, 2)


PAINT: dict[str, Callable[[Picture, Sock], None]] = {
    "stripes": _stripes, "dots": _dots, "diamonds": _diamonds, "band": _band, "letters": _letters,
}  # fmt: skip
