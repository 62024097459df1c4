"""The client of an outside registry, against a small one that speaks the REST API."""

from __future__ import annotations

import json
from collections.abc import Iterator
from urllib.parse import unquote

import httpx
import pytest
from tests.registry.seeds import READING, READING_FIELDS, record

from penstock.errors import SchemaError
from penstock.registry.client import RegistryClient
from penstock.registry.embedded import EmbeddedRegistry
from penstock.registry.model import Reference, Schema
from penstock.registry.store import MemoryStore


class Far:
    """An embedded registry behind the REST API; `asked` counts the requests by path."""

    def __init__(self) -> None:
        self.registry = EmbeddedRegistry(MemoryStore())
        self.asked: list[str] = []

    def __call__(self, request: httpx.Request) -> httpx.Response:
        self.asked.append(request.url.path)
        if request.headers.get("Authorization") != "Basic YWRhOnNlY3JldA==":
            return httpx.Response(401, json={"error_code": 401, "message": "Unauthorized"})
        try:
            return httpx.Response(200, json=self._answer(request))
        except SchemaError as problem:
            unknown = "unknown" in problem.what or "no version" in problem.what
            status, code = (404, 40401) if unknown else (409, 409)
            return httpx.Response(status, json={"error_code": code, "message": problem.what})

    def _answer(self, request: httpx.Request) -> object:
        registry, parts = self.registry, [unquote(p) for p in request.url.raw_path.decode().partition("?")[0].split("/") if p]
        body = json.loads(request.content or b"{}")
        deleted, permanent = request.url.params.get("deleted") == "true", request.url.params.get("permanent") == "true"
        schema = Schema(body.get("schema", ""), body.get("schemaType", "AVRO"), tuple(Reference(**r) for r in body.get("references", [])))
        match request.method, parts:
            case "POST", ["subjects", subject, "versions"]:
                return {"id": registry.register(subject, schema, id=body.get("id"), version=body.get("version"))}
            case "POST", ["subjects", subject]:
                found = registry.lookup(subject, schema, deleted=deleted)
                if found is None:
                    raise SchemaError("Schema is unknown.")
                return self._shown(found)
            case "GET", ["subjects"]:
                return registry.subjects(deleted=deleted)
            case "GET", ["subjects", subject, "versions"]:
                return registry.versions(subject, deleted=deleted)
            case "GET", ["subjects", subject, "versions", version]:
                return self._shown(registry.version(subject, -1 if version == "latest" else int(version), deleted=deleted))
            case "DELETE", ["subjects", subject, "versions", version]:
                return registry.delete_version(subject, int(version), permanent=permanent)
            case "DELETE", ["subjects", subject]:
                return registry.delete_subject(subject, permanent=permanent)
            case "GET", ["schemas", "ids", number]:
                found_schema = registry.by_id(int(number))
                return {"schema": found_schema.text, "schemaType": found_schema.type}
            case "GET", ["schemas", "ids", number, "versions"]:
                return [{"subject": r.subject, "version": r.version} for r in registry.versions_of_id(int(number))]
            case "POST", ["compatibility", "subjects", subject, "versions", *version]:
                problems = registry.check(subject, schema, version=int(version[0]) if version else None)
                return {"is_compatible": not problems, "messages": problems}
        return self._settings(request.method, parts, body)

    def _settings(self, method: str, parts: list[str], body: dict[str, str]) -> object:
        registry, subject = self.registry, parts[1] if len(parts) > 1 else None
        if parts[0] == "config":
            if method != "GET":
                registry.set_compatibility(body.get("compatibility"), subject)  # type: ignore[arg-type]
            elif subject is not None and subject not in registry._state.levels:
                raise SchemaError("Subject's level is unknown.")
            return {"compatibilityLevel": registry.compatibility(subject)}
        if method != "GET":
            registry.set_mode(body.get("mode"), subject)  # type: ignore[arg-type]
        return {"mode": registry.mode(subject)}

    @staticmethod
    def _shown(found: object) -> dict[str, object]:
        from penstock.registry.model import Registered

        assert isinstance(found, Registered)
        references = [{"name": r.name, "subject": r.subject, "version": r.version} for r in found.schema.references]
        return {"subject": found.subject, "version": found.version, "id": found.id, "schema": found.schema.text, "schemaType": found.schema.type,
                "references": references}


@pytest.fixture
def far() -> Far:
    return Far()


@pytest.fixture
def client(far: Far) -> Iterator[RegistryClient]:
    made = RegistryClient("http://registry.example/", user="ada", password="secret", transport=httpx.MockTransport(far))
    yield made
    made.close()


def test_it_is_a_registry_like_the_embedded_one(client: RegistryClient) -> None:
    wider = Schema(record("reading", *READING_FIELDS, ("battery", "float"), battery=1.0))
    bad = Schema(record("reading", *READING_FIELDS, ("light", "int")))
    assert client.register("a/b-value", Schema(READING)) == 1
    assert client.register("a/b-value", wider) == 2
    assert client.by_id(1) == Schema(READING)
    assert client.latest("a/b-value") == client.version("a/b-value", 2) == client.lookup("a/b-value", wider)
    assert client.latest("nothing") is None
    assert client.lookup("a/b-value", bad) is None
    assert (client.versions("a/b-value"), client.subjects(), client.subjects(prefix="z")) == ([1, 2], ["a/b-value"], [])
    assert [r.version for r in client.versions_of_id(2)] == [2]
    assert client.check("a/b-value", wider) == []
    assert client.check("a/b-value", bad) == ["Field light is new and has no default, so earlier records cannot be read: give it a default."]
    with pytest.raises(SchemaError, match=r"answers 409: The schema is not BACKWARD compatible"):
        client.register("a/b-value", bad)
    client.set_compatibility("NONE", "a/b-value")
    assert (client.compatibility("a/b-value"), client.compatibility("other"), client.mode()) == ("NONE", "BACKWARD", "READWRITE")
    client.set_compatibility(None, "a/b-value")
    client.set_mode("IMPORT")
    assert client.register("imported", Schema('"int"'), id=50, version=3) == 50
    client.set_mode(None)
    assert client.delete_version("a/b-value", 1) == 1
    assert client.delete_subject("a/b-value") == [2]
    with pytest.raises(SchemaError, match="40401"):
        client.versions("a/b-value")


def test_what_never_changes_is_asked_once(client: RegistryClient, far: Far) -> None:
    client.register("s", Schema(READING))
    far.asked.clear()
    for _ in range(3):
        client.by_id(1)
        client.version("s", 1)
    assert far.asked == ["/schemas/ids/1", "/subjects/s/versions/1"]


def test_a_registry_that_refuses_or_is_away(far: Far) -> None:
    stranger = RegistryClient("http://registry.example", transport=httpx.MockTransport(far))
    with pytest.raises(SchemaError, match="refuses the user"):
        stranger.by_id(1)

    def away(request: httpx.Request) -> httpx.Response:
        raise httpx.ConnectError("connection refused")

    with pytest.raises(SchemaError, match="cannot be reached: connection refused"):
        RegistryClient("http://registry.example", transport=httpx.MockTransport(away)).subjects()
