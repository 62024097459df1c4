"""An outside Confluent-compatible registry, over its REST API. What an id or a version means never changes, so it is asked once."""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING, Any, Literal
from urllib.parse import quote

from penstock.errors import SchemaError
from penstock.registry.model import Compatibility, Mode, Reference, Registered, Schema, SchemaRegistry

if TYPE_CHECKING:
    import httpx

TIMEOUT_S = 10.0
_CONTENT = "application/vnd.schemaregistry.v1+json"
_UNKNOWN_CODES = {40401, 40402, 40403, 40404, 40405, 40406, 40407, 40408, 40409, 404}


class RegistryClient(SchemaRegistry):
    """The registry at `url`; `user` and `password` for basic authentication. Safe to use from many threads. Close it when done."""

    def __init__(self, url: str, *, user: str | None = None, password: str | None = None, transport: httpx.BaseTransport | None = None) -> None:
        import httpx

        self.url = url.rstrip("/")
        auth = (user, password or "") if user else None
        self._http = httpx.Client(auth=auth, timeout=TIMEOUT_S, transport=transport, headers={"Accept": _CONTENT, "Content-Type": _CONTENT})
        self._schemas: dict[int, Schema] = {}
        self._versions: dict[tuple[str, int], Registered] = {}
        self._lock = threading.Lock()

    def close(self) -> None:
        """Close the connections."""
        self._http.close()

    def register(self, subject: str, schema: Schema, *, id: int | None = None, version: int | None = None) -> int:  # noqa: A002
        body = _body(schema) | ({"id": id} if id is not None else {}) | ({"version": version} if version is not None else {})
        answer = self._ask("POST", f"/subjects/{quote(subject, safe='')}/versions", body)
        return int(answer["id"])

    def by_id(self, id: int) -> Schema:  # noqa: A002
        with self._lock:
            schema = self._schemas.get(id)
        if schema is None:
            schema = _schema(self._ask("GET", f"/schemas/ids/{id}"))
            with self._lock:
                self._schemas[id] = schema
        return schema

    def lookup(self, subject: str, schema: Schema, *, deleted: bool = False) -> Registered | None:
        answer = self._find("POST", f"/subjects/{quote(subject, safe='')}", _body(schema), deleted=deleted)
        return None if answer is None else _registered(answer)

    def latest(self, subject: str) -> Registered | None:
        answer = self._find("GET", f"/subjects/{quote(subject, safe='')}/versions/latest")
        return None if answer is None else _registered(answer)

    def version(self, subject: str, version: int, *, deleted: bool = False) -> Registered:
        with self._lock:
            known = self._versions.get((subject, version))
        if known is not None:
            return known
        word = "latest" if version == -1 else str(version)
        found = _registered(self._ask("GET", f"/subjects/{quote(subject, safe='')}/versions/{word}", deleted=deleted))
        if version != -1 and not deleted:
            with self._lock:
                self._versions[subject, version] = found
        return found

    def versions(self, subject: str, *, deleted: bool = False) -> list[int]:
        return [int(v) for v in self._ask("GET", f"/subjects/{quote(subject, safe='')}/versions", deleted=deleted)]

    def versions_of_id(self, id: int, *, deleted: bool = False) -> list[Registered]:  # noqa: A002
        pairs = self._ask("GET", f"/schemas/ids/{id}/versions", deleted=deleted)
        schema = self.by_id(id)
        return [Registered(p["subject"], int(p["version"]), id, schema) for p in pairs]

    def subjects(self, *, prefix: str = "", deleted: bool = False) -> list[str]:
        return sorted(str(s) for s in self._ask("GET", "/subjects", deleted=deleted) if str(s).startswith(prefix))

    def delete_version(self, subject: str, version: int, *, permanent: bool = False) -> int:
        with self._lock:
            self._versions.pop((subject, version), None)
        word = "latest" if version == -1 else str(version)
        return int(self._ask("DELETE", f"/subjects/{quote(subject, safe='')}/versions/{word}", permanent=permanent))

    def delete_subject(self, subject: str, *, permanent: bool = False) -> list[int]:
        with self._lock:
            self._versions = {k: v for k, v in self._versions.items() if k[0] != subject}
        return [int(v) for v in self._ask("DELETE", f"/subjects/{quote(subject, safe='')}", permanent=permanent)]

    def compatibility(self, subject: str | None = None) -> Compatibility:
        level: Compatibility = self._setting("config", subject, "compatibilityLevel")
        return level

    def set_compatibility(self, level: Compatibility | None, subject: str | None = None) -> None:
        self._set("config", subject, None if level is None else {"compatibility": level})

    def check(self, subject: str, schema: Schema, *, version: int | None = None) -> list[str]:
        word = "" if version is None else "/latest" if version == -1 else f"/{version}"
        answer = self._find("POST", f"/compatibility/subjects/{quote(subject, safe='')}/versions{word}?verbose=true", _body(schema))
        if answer is None or answer.get("is_compatible"):
            return []
        return [str(m) for m in answer.get("messages", [])] or ["The schema is not compatible with the earlier ones."]

    def mode(self, subject: str | None = None) -> Mode:
        mode: Mode = self._setting("mode", subject, "mode")
        return mode

    def set_mode(self, mode: Mode | None, subject: str | None = None) -> None:
        self._set("mode", subject, None if mode is None else {"mode": mode})

    def _setting(self, kind: Literal["config", "mode"], subject: str | None, field: str) -> Any:
        if subject is not None:
            own = self._find("GET", f"/{kind}/{quote(subject, safe='')}")
            if own is not None:
                return own[field]
        return self._ask("GET", f"/{kind}")[field]

    def _set(self, kind: Literal["config", "mode"], subject: str | None, body: dict[str, Any] | None) -> None:
        path = f"/{kind}" + (f"/{quote(subject, safe='')}" if subject is not None else "")
        self._ask("DELETE" if body is None else "PUT", path, body)

    def _find(self, method: str, path: str, body: dict[str, Any] | None = None, **flags: bool) -> Any:
        """As `_ask`, but None for what the registry does not know."""
        try:
            return self._ask(method, path, body, **flags)
        except _UnknownError:
            return None

    def _ask(self, method: str, path: str, body: dict[str, Any] | None = None, **flags: bool) -> Any:
        """The answer's JSON; SchemaError for a refusal, with the registry's own words, and where the registry cannot be reached."""
        import httpx

        parameters = {name: "true" for name, on in flags.items() if on}
        try:
            answer = self._http.request(method, self.url + path, json=body, params=parameters or None)
        except httpx.HTTPError as problem:
            raise SchemaError(
                f"The schema registry at {self.url} cannot be reached: {problem or type(problem).__name__}.",
                mend="Check its address, and that it runs.",
            ) from None
        try:
            content = answer.json()
        except ValueError:
            content = {"message": answer.text[:200]}
        if answer.is_success:
            return content
        code, words = answer.status_code, ""
        if isinstance(content, dict):
            code, words = int(content.get("error_code", code)), str(content.get("message", ""))
        if answer.status_code == 401:
            raise SchemaError(f"The schema registry at {self.url} refuses the user.", mend="Check the user and the password.")
        kind = _UnknownError if code in _UNKNOWN_CODES else SchemaError
        raise kind(f"The schema registry at {self.url} answers {code}: {words or answer.reason_phrase}.")


class _UnknownError(SchemaError):
    """The registry does not know the subject, version or id."""


def _body(schema: Schema) -> dict[str, Any]:
    body: dict[str, Any] = {"schema": schema.text}
    if schema.type != "AVRO":
        body["schemaType"] = schema.type
    if schema.references:
        body["references"] = [{"name": r.name, "subject": r.subject, "version": r.version} for r in schema.references]
    return body


def _schema(answer: dict[str, Any]) -> Schema:
    references = tuple(Reference(r["name"], r["subject"], int(r["version"])) for r in answer.get("references") or ())
    return Schema(answer["schema"], answer.get("schemaType") or "AVRO", references)


def _registered(answer: dict[str, Any]) -> Registered:
    return Registered(answer["subject"], int(answer["version"]), int(answer["id"]), _schema(answer))
