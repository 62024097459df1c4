"""Numbers of a batch's text, sixteen signs at most, read eight signs at a time: a word of 64 bits holds eight, and every step is done to all of them.

A number stands at the end of its words, and what is before it counts as zeros. What is longer, or has an exponent, is read elsewhere.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Ints = NDArray[np.int64]
    Words = NDArray[np.uint64]
    Bools = NDArray[np.bool_]

WORD = 8
SIGNS_MAX = 2 * WORD


def each(byte: int) -> np.uint64:
    """A word whose bytes are all the same."""
    return np.uint64(byte * 0x0101010101010101)


LAST = np.array([(1 << 64) - (1 << 8 * (WORD - n)) for n in range(WORD + 1)], np.uint64)
"""LAST[n] keeps the last n signs of a word, which are its upper bytes."""
ZEROS, ONES, SEVENS, TOPS = each(ord("0")), each(1), each(0x7F), each(0x80)
POINTS = each(ord(".") ^ ord("0"))
BEYOND_NINE = each(0x80 - 10)
ONE, BYTE, TOP = np.uint64(1), np.uint64(8), np.uint64(1 << 63)
TENS = 10.0 ** np.arange(SIGNS_MAX)


@dataclass(frozen=True)
class Numbers:
    """Numbers cut out of a text: the last signs of each and, where any has more than a word's, those before; as differences from "0", 0 where a
    number has no sign. `points` has the upper bit of a byte set where it is a point. `fine`: those that are numbers in the plain grammar; what is
    said of others means nothing."""

    words: tuple[Words, ...]
    points: tuple[Words, ...]
    minus: Bools | None
    fine: Bools

    def whole(self) -> Ints:
        """Their values, where they have no points."""
        values = together(self.words)
        return values if self.minus is None else np.where(self.minus, -values, values)

    def floats(self) -> NDArray[np.float64]:
        """Their values, correctly rounded: 15 digits and a power of ten are exact, and so their quotient is rounded once."""
        words, behind = closed(self.words, self.points)
        values: NDArray[np.float64] = together(words).astype(np.float64)
        if behind is not None:
            values /= TENS.take(behind, mode="clip")
        return values if self.minus is None else np.where(self.minus, -values, values)


def numbers_of(codes: NDArray[np.uint8], text: Words, starts: Ints, ends: Ints, size_max: int, *, whole: bool) -> Numbers | None:
    """The numbers between starts and ends; None where one has more than SIGNS_MAX signs. `text` has the word that begins at each of the bytes, before
    which there are SIGNS_MAX others. Those of more than `size_max` bytes are not fine, and with `whole` those with a point."""
    head = codes.take(starts, mode="clip")
    minus = head == ord("-")
    negative = bool(minus.any())
    first = starts + minus if negative else starts
    if negative:
        head = codes.take(first, mode="clip")
    signs = ends - first
    longest = int(signs.max(initial=0))
    if longest > SIGNS_MAX:
        return None
    fine = (signs > 0) & (ends - starts <= size_max)
    if not whole:
        fine &= head != ord(".")
    words, points = [], []
    for number in range(1 if longest <= WORD else 2):
        kept = LAST.take(signs - number * WORD if number else signs, mode="clip")
        word = (text[ends - WORD * (number + 1)] ^ ZEROS) & kept
        other = (((word & SEVENS) + BEYOND_NINE) | word) & TOPS  # the bytes that are no digits
        if whole:
            fine &= other == 0
        else:
            away = word ^ POINTS
            point = ~(((away & SEVENS) + SEVENS) | away) & TOPS
            fine &= (other == point) & (point & (point - ONE) == 0)
            points.append(point)
        words.append(word)
    if points:
        fine &= points[0] < TOP  # the last sign is none
    if len(points) > 1:
        fine &= (points[0] == 0) | (points[1] == 0)
    zero = np.flatnonzero(head == ord("0"))
    if len(zero):  # 0 and 0.5 are numbers, 007 is none; -0 is left to the exact reading, where it is the integer 0
        fine[zero] &= np.where(signs[zero] > 1, codes.take(first[zero] + 1, mode="clip") == ord("."), ~minus[zero])
    return Numbers(tuple(words), tuple(points), minus if negative else None, fine)


def closed(words: tuple[Words, ...], points: tuple[Words, ...]) -> tuple[tuple[Words, ...], Ints | None]:
    """Words without their points, what is before one moved to its place, and how many digits stand behind it; None where there are no points."""
    if not any(point.any() for point in points):
        return words, None
    last, behind = without(words[0], points[0], 0)
    if len(words) == 1:
        return (last,), behind
    earlier, behind_earlier = without(words[1], points[1], WORD)
    # where the point was in the last word, the one before moves on by a sign
    moves = points[0] != 0
    last = np.where(moves, last | words[1] >> np.uint64(56), last)
    return (last, np.where(moves, words[1] << BYTE, earlier)), behind + behind_earlier


def without(word: Words, point: Words, more: int) -> tuple[Words, Ints]:
    """A word without its point, if it has one, and how many digits stand behind it, of which there are `more` in the next word."""
    one = point >> np.uint64(7)
    there = point != 0
    before = one - there
    left = ((word & before) << BYTE) | (word & ~(before | one * np.uint64(0xFF)))
    place = ((before & ONES) * ONES) >> np.uint64(56)
    return left, (np.int64(WORD - 1 + more) - place.view(np.int64)) * there


def together(words: tuple[Words, ...]) -> Ints:
    """The numbers that the digits of words are."""
    found = eight(words[0])
    if len(words) > 1:
        found += eight(words[1]) * np.uint64(10**WORD)
    return found.view(np.int64)


def eight(word: Words) -> Words:
    """The number that eight digits are, the first in the lowest byte: pairs, fours and all eight of them put together in turn."""
    pairs = (word * np.uint64(10) + (word >> BYTE)) & np.uint64(0x00FF00FF00FF00FF)
    fours = (pairs * np.uint64(100) + (pairs >> np.uint64(16))) & np.uint64(0x0000FFFF0000FFFF)
    found: Words = (fours * np.uint64(10_000) + (fours >> np.uint64(32))) & np.uint64(0xFFFFFFFF)
    return found
