"""What a door answers: JSON, and refusals, which say what is wrong and how it is mended."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import msgspec
from starlette.requests import Request
from starlette.responses import Response

BODY_BYTES_MAX = 16 * 1024 * 1024
"""The longest body of a request that is read whole."""

_encoder = msgspec.json.Encoder(decimal_format="number")


class Refusal(Exception):  # noqa: N818 - an answer, to be told to the client as it stands
    """A request that is answered with an error: the HTTP `status`, a `code` of the door's own (None: what the door makes of the status), and more
    `fields` of its body."""

    def __init__(
        self,
        status: int,
        message: str,
        *,
        code: int | None = None,
        headers: Mapping[str, str] | None = None,
        fields: Mapping[str, object] | None = None,
    ) -> None:
        self.status = status
        self.message = message
        self.code = code
        self.headers = headers or {}
        self.fields = fields or {}
        super().__init__(message)


def to_json(value: object) -> bytes:
    """A value as JSON: DECIMALs as numbers with all their digits."""
    return _encoder.encode(value)


def answer(value: object, *, status: int = 200, media_type: str = "application/json", headers: Mapping[str, str] | None = None) -> Response:
    """An answer of JSON."""
    return Response(to_json(value), status, dict(headers or {}), media_type)


async def body(request: Request) -> bytes:
    """The whole body of a request. Raises Refusal where it is too long."""
    parts, length = [], 0
    async for part in request.stream():
        length += len(part)
        if length > BODY_BYTES_MAX:
            raise Refusal(413, f"The request's body is longer than {BODY_BYTES_MAX:,} bytes. Send less at a time.")
        parts.append(part)
    return b"".join(parts)


async def json_body(request: Request) -> Any:
    """The body of a request, whatever its content type says, as JSON; None where there is none. Raises Refusal."""
    text = await body(request)
    if not text.strip():
        return None
    return parsed(text)


async def json_object(request: Request) -> dict[str, Any]:
    """The body of a request, which is a JSON object (none: an empty one). Raises Refusal."""
    found = await json_body(request)
    if found is None:
        return {}
    if not isinstance(found, dict):
        raise Refusal(400, "The request's body is no JSON object.")
    return found


def parsed(text: bytes) -> Any:
    """Text as JSON. Raises Refusal."""
    try:
        return msgspec.json.decode(text)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise Refusal(400, f"The request is not JSON: {error}.") from None
