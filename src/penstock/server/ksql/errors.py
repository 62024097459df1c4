"""Errors in ksqlDB's form: `error_code` is the HTTP status and two digits more."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from penstock.errors import Error, SqlError
from penstock.server.answers import Refusal

BAD_REQUEST = 40000
BAD_STATEMENT = 40001
QUERY_ENDPOINT = 40002
CATCHING_UP = 50301
SHUTTING_DOWN = 50302


def refused(error: Error) -> Refusal:
    """A user's error: the statement's, or the request's."""
    return Refusal(400, str(error), code=BAD_STATEMENT if isinstance(error, SqlError) else BAD_REQUEST)


def statement_error(error: Error, text: str, entities: Sequence[object] = (), *, code: int = BAD_STATEMENT) -> Refusal:
    """The error of a statement, or of a text that is none; with the answers of the statements before it."""
    about: dict[str, object] = {"@type": "statement_error", "statementText": closed(text), "entities": entities}
    return Refusal(400, str(error), code=code, fields=about)


def closed(text: str) -> str:
    """A statement as it is shown: with its semicolon."""
    return text if text.rstrip().endswith(";") else f"{text.rstrip()};"


def error_body(refusal: Refusal) -> Mapping[str, object]:
    """The body of a refusal."""
    code = refusal.status * 100 if refusal.code is None else refusal.code
    return {"@type": "generic_error", "error_code": code, "message": refusal.message, **refusal.fields}
