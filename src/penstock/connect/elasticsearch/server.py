"""The server's side: bulk requests, indexes, and what its answers mean for a sink."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from enum import Enum
from typing import Any, TypeVar

from penstock.connect.contract import RefusedError, RetriableError
from penstock.connect.elasticsearch.documents import Action
from penstock.errors import ConfigError, ConnectorError

T = TypeVar("T")

_TRY_AGAIN = frozenset({408, 425, 429})
_NOT_THE_RECORDS_FAULT = frozenset({401, 403, 407})
_REASON_CHARACTERS_MAX = 300
# The index is not there, or not to be written to: no record's fault.
_INDEX_FAULTS = frozenset({"index_not_found_exception", "cluster_block_exception", "index_closed_exception", "security_exception"})


class Outcome(Enum):
    """What became of one document."""

    DONE = "done"
    AGAIN = "again"
    MALFORMED = "malformed"


class SearchServer:
    """An Elasticsearch or OpenSearch cluster. Its methods raise RetriableError, RefusedError, or ConnectorError where it does not let us in.

    opensearch-py speaks to both: it sends what both understand, and does not ask who answers.
    """

    def __init__(self, client: Any, redact: Callable[[str], str], bulk_bytes_max: int) -> None:
        self._client = client
        self._redact = redact
        self._bulk_bytes_max = bulk_bytes_max

    def close(self) -> None:
        """Close the connections."""
        self._client.close()

    def bulk(self, actions: Sequence[Action]) -> list[tuple[Outcome, str]]:
        """What became of each action, with the server's reason where it is not done."""
        return [outcome for part in _parts(actions, self._bulk_bytes_max) for outcome in self._bulk(part)]

    def create_index(self, name: str, mapping: Mapping[str, Any] | None) -> None:
        """Make the index where there is none of that name, nor an alias."""
        if not self._call("look for an index", lambda: self._client.indices.exists(index=name)):
            body = {"mappings": mapping} if mapping and mapping["properties"] else None
            self._create("make an index", lambda: self._client.indices.create(index=name, body=body))

    def create_data_stream(self, name: str, mapping: Mapping[str, Any] | None) -> None:
        """Make the data stream, and the template that it needs, where they are not there."""
        if self._call("look for a data stream", lambda: self._client.indices.exists(index=name)):
            return
        properties = {"@timestamp": {"type": "date"}, **(mapping or {"properties": {}})["properties"]}
        template = {"index_patterns": [name], "data_stream": {}, "priority": 500, "template": {"mappings": {"properties": properties}}}
        self._create("make an index template", lambda: self._client.indices.put_index_template(name=name, body=template))
        self._create("make a data stream", lambda: self._client.indices.create_data_stream(name=name))

    def _create(self, what: str, call: Callable[[], Any]) -> None:
        try:
            self._call(what, call)
        except RefusedError as error:
            if "already_exists" not in error.what:  # another task was quicker
                raise ConfigError(f"The server refuses to {what}: {error.what}") from None

    def _bulk(self, actions: Sequence[Action]) -> Iterator[tuple[Outcome, str]]:
        body = b"".join(action.lines for action in actions)
        try:
            answer = self._call("take a bulk request", lambda: self._client.bulk(body=body))
        except _TooLargeError:
            if len(actions) == 1:
                yield Outcome.MALFORMED, "the document is larger than the server takes"
                return
            half = len(actions) // 2
            yield from self._bulk(actions[:half])
            yield from self._bulk(actions[half:])
            return
        for action, item in zip(actions, answer["items"], strict=True):
            ((_, result),) = item.items()
            yield self._outcome(action, result)

    def _outcome(self, action: Action, result: Mapping[str, Any]) -> tuple[Outcome, str]:
        status, error = result["status"], result.get("error") or {}
        kind, reason = (error.get("type", ""), _reason(error)) if isinstance(error, Mapping) else ("", str(error))
        if status < 300 or status == 409 or (status == 404 and action.deletes and kind not in _INDEX_FAULTS):
            return Outcome.DONE, ""  # a conflict says that it, or a newer one, is there already
        reason = self._redact(f"{status} {kind}: {reason}")[:_REASON_CHARACTERS_MAX]
        if status in _TRY_AGAIN or status >= 500:
            return Outcome.AGAIN, reason
        if status in _NOT_THE_RECORDS_FAULT or kind in _INDEX_FAULTS:
            raise ConnectorError(f"The server does not let us write to {action.index}: {reason}", mend="Check the index and the user's rights.")
        return Outcome.MALFORMED, reason

    def _call(self, what: str, call: Callable[[], T]) -> T:
        from opensearchpy import exceptions

        try:
            return call()
        except exceptions.SSLError as error:
            raise ConnectorError(
                self._redact(f"The server's certificate is not accepted: {error.error}."),
                mend="Set 'elastic.https.ssl.truststore.location' to the authority's file.",
            ) from None
        except exceptions.ConnectionError as error:
            raise RetriableError(self._redact(f"No connection to the server: {error.error}.")) from None
        except exceptions.SerializationError as error:
            raise RetriableError(self._redact(f"The server's answer is none: {error}.")) from None
        except exceptions.TransportError as error:
            status = error.status_code
            words = self._redact(f"Asked to {what}, the server answered {status}: {_reason(_error_of(error.info))}")[:_REASON_CHARACTERS_MAX]
            if status == 413:
                raise _TooLargeError(words) from None
            if status in _TRY_AGAIN or (isinstance(status, int) and status >= 500):
                raise RetriableError(words) from None
            if status in _NOT_THE_RECORDS_FAULT or not isinstance(status, int):
                raise ConnectorError(words, mend="Check the address, the user and the password, then restart the connector.") from None
            raise RefusedError(f"{words} ({error.error})") from None


class _TooLargeError(RefusedError):
    """A request is larger than the server takes."""


def _parts(actions: Sequence[Action], bytes_max: int) -> Iterator[Sequence[Action]]:
    """The actions in requests of at most `bytes_max`, where a single one is not larger."""
    start = size = 0
    for number, action in enumerate(actions):
        if number > start and 0 < bytes_max < size + len(action.lines):
            yield actions[start:number]
            start, size = number, 0
        size += len(action.lines)
    if actions:
        yield actions[start:]


def _error_of(info: Any) -> Mapping[str, Any]:
    error = info.get("error") if isinstance(info, Mapping) else None
    return error if isinstance(error, Mapping) else {"reason": str(error or info or "")}


def _reason(error: Mapping[str, Any]) -> str:
    """The reason and what caused it, on one line."""
    words = str(error.get("reason", ""))
    cause = error.get("caused_by")
    if isinstance(cause, Mapping) and cause.get("reason"):
        words += f" ({cause['reason']})"
    return " ".join(words.split()) or "without a reason"
