"""What a schema registry knows, and what is asked of one. The names and rules are those of Confluent's Schema Registry API."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal as OneOf
from typing import Protocol

SchemaType = OneOf["AVRO", "JSON", "PROTOBUF"]
Compatibility = OneOf["BACKWARD", "BACKWARD_TRANSITIVE", "FORWARD", "FORWARD_TRANSITIVE", "FULL", "FULL_TRANSITIVE", "NONE"]
Mode = OneOf["READWRITE", "READONLY", "READONLY_OVERRIDE", "IMPORT"]

SCHEMA_TYPES: tuple[SchemaType, ...] = ("AVRO", "JSON", "PROTOBUF")
LEVELS: tuple[Compatibility, ...] = (
    "BACKWARD", "BACKWARD_TRANSITIVE", "FORWARD", "FORWARD_TRANSITIVE", "FULL", "FULL_TRANSITIVE", "NONE",
)
MODES: tuple[Mode, ...] = ("READWRITE", "READONLY", "READONLY_OVERRIDE", "IMPORT")


@dataclass(frozen=True, slots=True)
class Reference:
    """Another registered schema that a schema uses: `name` as its text calls it (a record's full name, a URL, a .proto path)."""

    name: str
    subject: str
    version: int


@dataclass(frozen=True, slots=True)
class Schema:
    """The text of a schema (JSON for AVRO and JSON, a .proto file for PROTOBUF) and what it refers to."""

    text: str
    type: SchemaType = "AVRO"
    references: tuple[Reference, ...] = ()


@dataclass(frozen=True, slots=True)
class Registered:
    """A schema as a version (from 1) of a subject; `id` is global: the same schema has the same id in every subject."""

    subject: str
    version: int
    id: int
    schema: Schema
    deleted: bool = False


class SchemaRegistry(Protocol):
    """A Confluent-compatible registry, embedded or outside. Methods raise SchemaError for what is unknown or refused."""

    def register(self, subject: str, schema: Schema, *, id: int | None = None, version: int | None = None) -> int:  # noqa: A002 - the API's own name
        """Register a schema as the subject's newest version, unless it is a version of it already; return its id.
        Raises SchemaError where it is malformed, or incompatible with earlier versions. `id` and `version` choose them (an import)."""
        ...

    def by_id(self, id: int) -> Schema:  # noqa: A002 - the API's own name
        """The schema of a global id; SchemaError where there is none."""
        ...

    def lookup(self, subject: str, schema: Schema, *, deleted: bool = False) -> Registered | None:
        """The version of the subject that has this schema, or None."""
        ...

    def latest(self, subject: str) -> Registered | None:
        """The newest version that is not deleted, or None where the subject has none."""
        ...

    def version(self, subject: str, version: int, *, deleted: bool = False) -> Registered:
        """A version of a subject (-1: the newest); SchemaError where there is none."""
        ...

    def versions(self, subject: str, *, deleted: bool = False) -> list[int]:
        """The version numbers of a subject, ascending; SchemaError where the subject is unknown."""
        ...

    def versions_of_id(self, id: int, *, deleted: bool = False) -> list[Registered]:  # noqa: A002 - the API's own name
        """Every subject's version that has the schema of this id."""
        ...

    def subjects(self, *, prefix: str = "", deleted: bool = False) -> list[str]:
        """The names of the subjects that begin with `prefix`, sorted."""
        ...

    def delete_version(self, subject: str, version: int, *, permanent: bool = False) -> int:
        """Delete a version: soft (its id still resolves), then, asked again with `permanent`, for good. Return its number."""
        ...

    def delete_subject(self, subject: str, *, permanent: bool = False) -> list[int]:
        """Delete all versions of a subject, soft or (after that) for good; return their numbers."""
        ...

    def compatibility(self, subject: str | None = None) -> Compatibility:
        """The level in force: the subject's own, or else the global one."""
        ...

    def set_compatibility(self, level: Compatibility | None, subject: str | None = None) -> None:
        """Set the global level or a subject's; None removes a subject's own (and resets the global one to BACKWARD)."""
        ...

    def check(self, subject: str, schema: Schema, *, version: int | None = None) -> list[str]:
        """Why the schema may not become the subject's next version (or may not follow `version`), in words; empty where it may."""
        ...

    def mode(self, subject: str | None = None) -> Mode: ...

    def set_mode(self, mode: Mode | None, subject: str | None = None) -> None: ...
