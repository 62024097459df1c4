"""The embedded schema registry: Confluent's rules over a store of records, one for each version, level and mode."""

from __future__ import annotations

import threading
from dataclasses import dataclass, field, replace
from typing import Any, get_args

import msgspec

from penstock.errors import SchemaError
from penstock.registry.canonical import canonical
from penstock.registry.model import Compatibility, Mode, Reference, Registered, Schema, SchemaRegistry
from penstock.registry.store import Store

DEFAULT_LEVEL: Compatibility = "BACKWARD"


@dataclass
class _State:
    """What the store's records add up to."""

    subjects: dict[str, dict[int, Registered]] = field(default_factory=dict)
    by_id: dict[int, Schema] = field(default_factory=dict)
    id_of: dict[str, int] = field(default_factory=dict)  # canonical form -> id
    levels: dict[str | None, Compatibility] = field(default_factory=dict)
    modes: dict[str | None, Mode] = field(default_factory=dict)
    numbers: dict[str, int] = field(default_factory=dict)  # the highest version that a subject ever had
    next_id: int = 1


class EmbeddedRegistry(SchemaRegistry):
    """A SchemaRegistry in this process. Safe to use from many threads; several processes may share a store that one of them writes."""

    def __init__(self, store: Store) -> None:
        self.store = store
        self._lock = threading.RLock()
        self._state = _State()
        self._seen = -1

    def register(self, subject: str, schema: Schema, *, id: int | None = None, version: int | None = None) -> int:  # noqa: A002
        if not subject:
            raise SchemaError("A subject needs a name.", mend="Name it <topic>-key or <topic>-value.")
        with self._lock:
            state = self._fresh()
            form = self._canonical(schema)
            self._writable(subject, importing=id is not None)
            found = self.lookup(subject, schema)
            if found is not None and id in (None, found.id):
                return found.id
            if id is None and (problems := self.check(subject, schema)):
                raise SchemaError(
                    f"The schema is not {self.compatibility(subject)} compatible with the earlier ones of subject {subject}: {' '.join(problems)}",
                    mend="Change it so, register it under another subject, or set the subject's compatibility level.",
                )
            known = state.id_of.get(form)
            number = id if id is not None else known if known is not None else state.next_id
            other = state.by_id.get(number)
            if id is not None and other is not None and self._canonical(other) != form:
                raise SchemaError(f"Schema id {id} belongs to another schema already.", mend="Choose another id, or none.")
            next_version = version or state.numbers.get(subject, 0) + 1
            if version is not None and version in state.subjects.get(subject, {}):
                raise SchemaError(f"Subject {subject} has a version {version} already.", mend="Choose another version, or none.")
            self._put(Registered(subject, next_version, number, schema))
            return number

    def by_id(self, id: int) -> Schema:  # noqa: A002
        with self._lock:
            schema = self._state.by_id.get(id) or self._fresh().by_id.get(id)
        if schema is None:
            raise SchemaError(f"Schema id {id} is unknown.", mend="Register the schema first, or check the id.")
        return schema

    def lookup(self, subject: str, schema: Schema, *, deleted: bool = False) -> Registered | None:
        with self._lock:
            versions = self._fresh().subjects.get(subject, {})
            form = self._canonical(schema)
            for version in sorted(versions, reverse=True):
                found = versions[version]
                if (deleted or not found.deleted) and self._canonical(found.schema) == form:
                    return found
        return None

    def latest(self, subject: str) -> Registered | None:
        with self._lock:
            live = [r for r in self._fresh().subjects.get(subject, {}).values() if not r.deleted]
        return max(live, key=lambda r: r.version, default=None)

    def version(self, subject: str, version: int, *, deleted: bool = False) -> Registered:
        with self._lock:
            versions = self._subject(subject, deleted=deleted)
            found = versions[max(versions)] if version == -1 else versions.get(version)
        if found is None:
            raise SchemaError(f"Subject {subject} has no version {version}.", mend=f"It has {', '.join(map(str, sorted(versions)))}.")
        return found

    def versions(self, subject: str, *, deleted: bool = False) -> list[int]:
        with self._lock:
            return sorted(self._subject(subject, deleted=deleted))

    def versions_of_id(self, id: int, *, deleted: bool = False) -> list[Registered]:  # noqa: A002
        self.by_id(id)
        with self._lock:
            return [r for s in sorted(self._fresh().subjects) for _, r in sorted(self._state.subjects[s].items())
                    if r.id == id and (deleted or not r.deleted)]

    def subjects(self, *, prefix: str = "", deleted: bool = False) -> list[str]:
        with self._lock:
            return sorted(s for s, versions in self._fresh().subjects.items()
                          if s.startswith(prefix) and any(deleted or not r.deleted for r in versions.values()))

    def delete_version(self, subject: str, version: int, *, permanent: bool = False) -> int:
        with self._lock:
            self._fresh()
            self._writable(subject)
            found = self.version(subject, version, deleted=permanent)
            self._unreferenced(found)
            self._delete(found, permanent=permanent)
            return found.version

    def delete_subject(self, subject: str, *, permanent: bool = False) -> list[int]:
        with self._lock:
            self._fresh()
            self._writable(subject)
            found = [r for _, r in sorted(self._subject(subject, deleted=permanent).items())]
            for one in found:
                self._unreferenced(one)
                if permanent and not one.deleted:
                    raise SchemaError(f"Subject {subject} was not deleted first.", mend="Delete it without permanent, then again with it.")
            for one in found:
                self._delete(one, permanent=permanent)
            if self._state.levels.get(subject) is not None:
                self.set_compatibility(None, subject)
            return [one.version for one in found]

    def compatibility(self, subject: str | None = None) -> Compatibility:
        with self._lock:
            levels = self._fresh().levels
            return levels.get(subject) or levels.get(None) or DEFAULT_LEVEL

    def set_compatibility(self, level: Compatibility | None, subject: str | None = None) -> None:
        if level is not None and level not in get_args(Compatibility):
            raise SchemaError(f"There is no compatibility level {level}.", mend=f"The levels are {', '.join(get_args(Compatibility))}.")
        with self._lock:
            self._fresh()
            self._append({"keytype": "CONFIG", "subject": subject}, None if level is None else {"compatibilityLevel": level})

    def check(self, subject: str, schema: Schema, *, version: int | None = None) -> list[str]:
        from penstock.registry.compatibility import violations

        with self._lock:
            level = self.compatibility(subject)
            self._canonical(schema)
            live = [r for _, r in sorted(self._fresh().subjects.get(subject, {}).items()) if not r.deleted]
            if version is not None:
                live = [self.version(subject, version)]
            elif not level.endswith("_TRANSITIVE"):
                live = live[-1:]
            return [f"{problem} (version {earlier.version})" if len(live) > 1 else problem
                    for earlier in reversed(live)
                    for problem in violations(schema, earlier.schema, level, self.resolve)]

    def mode(self, subject: str | None = None) -> Mode:
        with self._lock:
            modes = self._fresh().modes
            return modes.get(subject) or modes.get(None) or "READWRITE"

    def set_mode(self, mode: Mode | None, subject: str | None = None) -> None:
        if mode is not None and mode not in get_args(Mode):
            raise SchemaError(f"There is no mode {mode}.", mend=f"The modes are {', '.join(get_args(Mode))}.")
        with self._lock:
            self._fresh()
            self._append({"keytype": "MODE", "subject": subject}, None if mode is None else {"mode": mode})

    def resolve(self, reference: Reference) -> Schema:
        """The schema that a reference means; SchemaError where there is none."""
        return self.version(reference.subject, reference.version, deleted=True).schema

    # ------------------------------------------------------------------------------------------ inside

    def _canonical(self, schema: Schema) -> str:
        return canonical(schema, self.resolve)

    def _subject(self, subject: str, *, deleted: bool) -> dict[int, Registered]:
        versions = {v: r for v, r in self._fresh().subjects.get(subject, {}).items() if deleted or not r.deleted}
        if not versions:
            raise SchemaError(f"Subject {subject} is unknown.", mend="Register a schema under it first, or check its name.")
        return versions

    def _writable(self, subject: str, *, importing: bool = False) -> None:
        mode = self.mode(subject)
        if mode in ("READONLY", "READONLY_OVERRIDE") or (mode == "IMPORT" and not importing):
            raise SchemaError(f"Subject {subject} is in {mode} mode.", mend="Set its mode to READWRITE first.")

    def _unreferenced(self, found: Registered) -> None:
        for versions in self._state.subjects.values():
            for other in versions.values():
                if not other.deleted and any((r.subject, r.version) == (found.subject, found.version) for r in other.schema.references):
                    raise SchemaError(
                        f"Version {found.version} of subject {found.subject} is referred to by version {other.version} of {other.subject}.",
                        mend="Delete that one first.",
                    )

    def _delete(self, found: Registered, *, permanent: bool) -> None:
        if not permanent:
            self._put(replace(found, deleted=True))
            return
        if not found.deleted:
            raise SchemaError(
                f"Version {found.version} of subject {found.subject} was not deleted first.", mend="Delete it without permanent, then again with it.")
        self._append({"keytype": "SCHEMA", "subject": found.subject, "version": found.version}, None)

    def _put(self, registered: Registered) -> None:
        schema = registered.schema
        self._append(
            {"keytype": "SCHEMA", "subject": registered.subject, "version": registered.version},
            {
                "id": registered.id, "schemaType": schema.type, "schema": schema.text, "deleted": registered.deleted,
                "references": [{"name": r.name, "subject": r.subject, "version": r.version} for r in schema.references],
            },
        )

    def _append(self, key: dict[str, Any], value: dict[str, Any] | None) -> None:
        self.store.append(msgspec.json.encode(key), None if value is None else msgspec.json.encode(value))
        self._fresh()

    def _fresh(self) -> _State:
        """The state with all records of the store in it."""
        version = self.store.version()
        if version != self._seen:
            state = _State()
            for key, value in self.store.load():
                _apply(state, msgspec.json.decode(key), None if value is None else msgspec.json.decode(value))
            for schema_id, schema in state.by_id.items():
                state.id_of.setdefault(_quiet_canonical(schema, state), schema_id)
            self._state, self._seen = state, version
        return self._state


def _apply(state: _State, key: dict[str, Any], value: dict[str, Any] | None) -> None:
    subject = key["subject"]
    match key["keytype"]:
        case "CONFIG":
            _set(state.levels, subject, value and value["compatibilityLevel"])
        case "MODE":
            _set(state.modes, subject, value and value["mode"])
        case "SCHEMA":
            versions = state.subjects.setdefault(subject, {})
            number = key["version"]
            state.numbers[subject] = max(number, state.numbers.get(subject, 0))
            if value is None:
                gone = versions.pop(number, None)
                if gone and not any(r.id == gone.id for s in state.subjects.values() for r in s.values()):
                    state.by_id.pop(gone.id, None)
                return
            schema = Schema(value["schema"], value["schemaType"], tuple(Reference(**r) for r in value["references"]))
            versions[number] = Registered(subject, number, value["id"], schema, value["deleted"])
            state.by_id.setdefault(value["id"], schema)
            state.next_id = max(state.next_id, value["id"] + 1)


def _set(table: dict[str | None, Any], subject: str | None, value: Any) -> None:
    if value is None:
        table.pop(subject, None)
    else:
        table[subject] = value


def _quiet_canonical(schema: Schema, state: _State) -> str:
    def resolve(reference: Reference) -> Schema:
        return state.subjects[reference.subject][reference.version].schema

    try:
        return canonical(schema, resolve)
    except (SchemaError, KeyError):
        return schema.text  # it was accepted once, but what it refers to has gone
