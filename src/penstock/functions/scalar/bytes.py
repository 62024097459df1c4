"""Bytes."""

from __future__ import annotations

import base64
import struct

from penstock.functions.define import python_scalar

ENCODINGS = ("hex", "utf8", "ascii", "base64")


def to_bytes(text: str, encoding: str) -> bytes:
    """The bytes that a text of an encoding stands for. Raises ValueError for an unknown encoding or malformed text."""
    match encoding.lower():
        case "hex":
            digits = text[2:] if text[:2] in ("0x", "0X") else text
            try:
                return bytes.fromhex(digits if len(digits) % 2 == 0 else f"0{digits}")
            except ValueError:
                raise ValueError(f"{text!r} is no hex") from None
        case "utf8":
            return text.encode()
        case "ascii":
            return text.encode("ascii", "replace")
        case "base64":
            try:
                return base64.b64decode(text, validate=True)
            except ValueError:
                raise ValueError(f"{text!r} is no base64") from None
    raise ValueError(f"unknown encoding {encoding!r}: it must be {', '.join(ENCODINGS)}")


def from_bytes(value: bytes, encoding: str) -> str:
    """The text that stands for bytes in an encoding. Raises ValueError for an unknown encoding."""
    match encoding.lower():
        case "hex":
            return value.hex().upper()
        case "utf8":
            return value.decode("utf-8", "replace")
        case "ascii":
            return value.decode("ascii", "replace")
        case "base64":
            return base64.b64encode(value).decode()
    raise ValueError(f"unknown encoding {encoding!r}: it must be {', '.join(ENCODINGS)}")


@python_scalar("TO_BYTES(text STRING, encoding STRING) -> BYTES")
def to_bytes_(text: str, encoding: str) -> bytes:
    """The bytes that a text stands for.

    text: bytes as text
    encoding: how: 'hex', 'utf8', 'ascii' or 'base64'

    FROM_BYTES(TO_BYTES('Aa', 'utf8'), 'hex') -> '4161'
    TO_BYTES('21', 'hex') = TO_BYTES('!', 'ascii') -> TRUE
    """
    return to_bytes(text, encoding)


@python_scalar("FROM_BYTES(bytes BYTES, encoding STRING) -> STRING")
def from_bytes_(value: bytes, encoding: str) -> str:
    """Bytes as text.

    bytes: the bytes
    encoding: how: 'hex', 'utf8', 'ascii' or 'base64'

    FROM_BYTES(TO_BYTES('!', 'utf8'), 'base64') -> 'IQ=='
    """
    return from_bytes(value, encoding)


@python_scalar("ENCODE(text STRING, from STRING, to STRING) -> STRING")
def encode(text: str, given: str, wanted: str) -> str:
    """Text in one encoding as text in another.

    text: bytes as text
    from: how the text stands for them: 'hex', 'utf8', 'ascii' or 'base64'
    to: how the result shall

    ENCODE('4578616d706c6521', 'hex', 'utf8') -> 'Example!'
    ENCODE('Example!', 'utf8', 'hex') -> '4578616d706c6521'
    """
    shown = from_bytes(to_bytes(text, given), wanted)
    return shown.lower() if wanted.lower() == "hex" else shown


def unpacked(value: bytes, order: str, code: str) -> int | float | None:
    """The number that bytes stand for; None where their count or the order's name is wrong."""
    sign = {"BIG_ENDIAN": ">", "LITTLE_ENDIAN": "<"}.get(order.upper())
    if sign is None or len(value) != struct.calcsize(f"{sign}{code}"):
        return None
    found: int | float = struct.unpack(f"{sign}{code}", value)[0]
    return found


@python_scalar("INT_FROM_BYTES(bytes BYTES) -> INTEGER", "INT_FROM_BYTES(bytes BYTES, order STRING) -> INTEGER")
def int_from_bytes(value: bytes, order: str = "BIG_ENDIAN") -> int | float | None:
    """The INTEGER that 4 bytes stand for; NULL for another number of bytes or an unknown order.

    bytes: the bytes
    order: 'BIG_ENDIAN', which is the default, or 'LITTLE_ENDIAN'

    INT_FROM_BYTES(TO_BYTES('AAAH5Q==', 'base64')) -> 2021
    """
    return unpacked(value, order, "i")


@python_scalar("BIGINT_FROM_BYTES(bytes BYTES) -> BIGINT", "BIGINT_FROM_BYTES(bytes BYTES, order STRING) -> BIGINT")
def bigint_from_bytes(value: bytes, order: str = "BIG_ENDIAN") -> int | float | None:
    """The BIGINT that 8 bytes stand for; NULL for another number of bytes or an unknown order.

    bytes: the bytes
    order: 'BIG_ENDIAN', which is the default, or 'LITTLE_ENDIAN'

    BIGINT_FROM_BYTES(TO_BYTES('AAAAASoF8gA=', 'base64'), 'BIG_ENDIAN') -> 5000000000
    """
    return unpacked(value, order, "q")


@python_scalar("DOUBLE_FROM_BYTES(bytes BYTES) -> DOUBLE", "DOUBLE_FROM_BYTES(bytes BYTES, order STRING) -> DOUBLE")
def double_from_bytes(value: bytes, order: str = "BIG_ENDIAN") -> int | float | None:
    """The DOUBLE that 8 bytes stand for; NULL for another number of bytes or an unknown order.

    bytes: the bytes
    order: 'BIG_ENDIAN', which is the default, or 'LITTLE_ENDIAN'

    DOUBLE_FROM_BYTES(TO_BYTES('QICm/ZvJ9YI=', 'base64')) -> 532.8738323E0
    """
    return unpacked(value, order, "d")
