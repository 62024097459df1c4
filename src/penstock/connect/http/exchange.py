"""Requests and answers: headers, authentication, and what an answer's status means for the records."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from typing import Any

import httpx

from penstock.connect.contract import RefusedError, RetriableError
from penstock.connect.options import Option
from penstock.connect.secrets import Secrets
from penstock.errors import ConfigError, ConnectorError

_TRY_AGAIN = frozenset({408, 425, 429})
_NOT_THE_RECORDS_FAULT = frozenset({401, 403, 407})
_ANSWER_CHARACTERS_MAX = 300
_ANSWER_BYTES_MAX = 10_000

HEADERS = (
    Option(
        "headers",
        "string",
        "Headers of each request, `Name: value`, with `header.separator` between them.",
        "",
        aliases=("http.headers", "http.request.headers"),
    ),
    Option("header.separator", "string", "What stands between headers.", "|", aliases=("headers.separator", "http.request.headers.separator")),
)
CONNECTION = (
    Option("auth.type", "choice", "How to say who we are.", "none", choices=("none", "basic", "bearer"), aliases=("authentication.type",)),
    Option("connection.user", "string", "The user of `basic`.", None),
    Option("connection.password", "password", "The password of `basic`.", None),
    Option("auth.bearer.token", "password", "The token of `bearer`.", None, aliases=("bearer.token",)),
    Option("http.connect.timeout.ms", "integer", "How long to wait for a connection, in ms.", 30_000, minimum=1),
    Option("http.request.timeout.ms", "integer", "How long to wait for an answer, in ms.", 30_000, minimum=1),
)


def open_client(options: Mapping[str, Any], secrets: Secrets, defaults: Mapping[str, str]) -> httpx.Client:
    """A client with the headers, the authentication and the time limits of the options. `defaults` are headers that the options may replace.
    Raises ConfigError."""
    return httpx.Client(
        headers=_headers(options, defaults),
        auth=_authentication(options, secrets),
        timeout=httpx.Timeout(options["http.request.timeout.ms"] / 1000, connect=options["http.connect.timeout.ms"] / 1000),
    )


def unreachable(method: str, url: str, error: httpx.TransportError, secrets: Secrets) -> RetriableError:
    """The error for a request that got no answer. The address may hold a token; httpx's own words about the failure do not."""
    why = f"{type(error).__name__} {secrets.redact(str(error))}".rstrip()
    return RetriableError(f"{method} to {httpx.URL(url).host} failed: {why}.")


def check_status(method: str, response: httpx.Response, body: bytes, secrets: Secrets) -> None:
    """Return for 2xx. Raises RetriableError for what passes, ConnectorError where we are not let in or sent elsewhere, RefusedError for any
    other 4xx. `body` is the response's."""
    if response.is_success:
        return
    status = response.status_code
    said = secrets.redact(" ".join(body[:_ANSWER_BYTES_MAX].decode(errors="replace").split()))[:_ANSWER_CHARACTERS_MAX]
    what = f"{method} to {response.url.host} was answered {status} {response.reason_phrase}: {said}".rstrip(": ")
    if status in _TRY_AGAIN or status >= 500:
        raise RetriableError(what, retry_after_s=_retry_after_s(response, body))
    if status in _NOT_THE_RECORDS_FAULT or not 400 <= status < 500:
        raise ConnectorError(what, mend="Check the address and the credentials, then restart the connector.")
    raise RefusedError(what)


def _headers(options: Mapping[str, Any], defaults: Mapping[str, str]) -> dict[str, str]:
    headers = dict(defaults)
    for part in options["headers"].split(options["header.separator"] or "\0"):
        name, colon, value = part.partition(":")
        if colon:
            headers = {n: v for n, v in headers.items() if n.lower() != name.strip().lower()} | {name.strip(): value.strip()}
        elif part.strip():
            raise ConfigError("'headers' holds a part without a colon.", mend="Write Name: value, with header.separator between headers.")
    return headers


def _authentication(options: Mapping[str, Any], secrets: Secrets) -> Callable[[httpx.Request], httpx.Request] | httpx.Auth | None:
    kind = options["auth.type"]
    needed = {"basic": ("connection.user", "connection.password"), "bearer": ("auth.bearer.token",), "none": ()}[kind]
    for name in needed:
        if not options[name]:
            raise ConfigError(f"'auth.type'='{kind}' needs '{name}'.")
    if kind == "basic":
        return httpx.BasicAuth(options["connection.user"], options["connection.password"])
    if kind == "bearer":
        token = secrets.hide(options["auth.bearer.token"])

        def bearer(request: httpx.Request) -> httpx.Request:
            request.headers["Authorization"] = f"Bearer {token}"
            return request

        return bearer
    return None


def _retry_after_s(response: httpx.Response, body: bytes) -> float | None:
    """Seconds of the Retry-After header, a number or a date; Telegram says it in its body too."""
    text = response.headers.get("Retry-After")
    if text is None:
        try:
            return float(json.loads(body)["parameters"]["retry_after"])
        except (ValueError, KeyError, TypeError):
            return None
    try:
        return max(0.0, float(text))
    except ValueError:
        try:
            return max(0.0, (parsedate_to_datetime(text) - datetime.now(UTC)).total_seconds())
        except (ValueError, TypeError):
            return None
