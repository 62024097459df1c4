"""How far connectors have come, and changing it: /connectors/{name}/offsets."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from starlette.requests import Request
from starlette.responses import Response

from penstock.catalog.model import Connector
from penstock.server.answers import Refusal, answer, json_object
from penstock.server.connect.entities import known, name_of
from penstock.server.door import endpoint
from penstock.server.hall import Hall

if TYPE_CHECKING:
    from penstock.database import Database

_OFFSETS = '{"offsets": [{"partition": {"kafka_topic": "ratings", "kafka_partition": 0}, "offset": {"kafka_offset": 1000}}]}'
_WAYS = '{"partition": {"kafka_topic": NAME, "kafka_partition": NUMBER}, "offset": {"kafka_offset": NUMBER}}'


@endpoint(
    "GET", "/connectors/{name}/offsets",
    "How far a connector has come: of a sink the next offset of each partition of its topics, of a source its positions. There a partition is "
    "`{\"part\": NAME}`, a part of the source's world, and what stands in the offset is the connector's own affair.",
    gives=_OFFSETS,
)  # fmt: skip
async def get(hall: Hall, request: Request) -> Response:
    """How far it has come."""

    def found() -> list[dict[str, Any]]:
        connector = known(hall.db, name_of(request))
        if connector.kind == "SOURCE":
            positions = sorted(hall.db.connectors.positions(connector.name).items())
            return [{"partition": {"part": part}, "offset": position} for part, position in positions]
        committed = sorted(hall.db.log.committed(f"connect-{connector.name}").items())
        return [
            {"partition": {"kafka_topic": topic, "kafka_partition": partition}, "offset": {"kafka_offset": offset}}
            for (topic, partition), offset in committed
        ]

    return answer({"offsets": await hall.run(found)})


@endpoint(
    "PATCH", "/connectors/{name}/offsets",
    "Changes how far a connector has come, which must be stopped: those partitions that are named; an offset of null lets one begin anew. A sink "
    "then delivers again what it is set back to, also to a far side that would know it.",
    takes=_OFFSETS,
    gives='{"message": "The offsets for this connector have been altered successfully"}',
)  # fmt: skip
async def alter(hall: Hall, request: Request) -> Response:
    """Change how far it has come."""
    given = (await json_object(request)).get("offsets")
    if not isinstance(given, list) or not given or not all(isinstance(each, dict) and isinstance(each.get("partition"), dict) for each in given):
        raise Refusal(400, 'The request has no offsets. Write {"offsets": [{"partition": {...}, "offset": {...}}, ...]}.')

    def altered() -> list[str]:
        with hall.db.alone():
            connector = _stopped(hall.db, name_of(request))
            if connector.kind == "SINK":
                return hall.db.connectors.move_offsets(connector.name, dict(_offset(hall.db, connector, each) for each in given))
            hall.db.connectors.move(connector.name, dict(_position(each) for each in given))
            return []

    left = await hall.run(altered)
    return answer({"message": ". ".join(["The offsets for this connector have been altered successfully", *left])})


@endpoint(
    "DELETE", "/connectors/{name}/offsets",
    "Forgets how far a connector has come, which must be stopped, and removes what its far side keeps for it: it begins anew. The message says what "
    "has to stay there.",
    gives='{"message": "The offsets for this connector have been reset successfully"}',
)  # fmt: skip
async def reset(hall: Hall, request: Request) -> Response:
    """Forget how far it has come."""

    def forgotten() -> list[str]:
        with hall.db.alone():
            return hall.db.connectors.reset(_stopped(hall.db, name_of(request)).name)

    left = await hall.run(forgotten)
    return answer({"message": ". ".join(["The offsets for this connector have been reset successfully", *left])})


def _stopped(db: Database, name: str) -> Connector:
    """A connector that is stopped and at rest. Raises Refusal."""
    connector = known(db, name)
    if connector.state != "STOPPED":
        raise Refusal(
            400,
            "Connectors must be in the STOPPED state before their offsets can be modified. This can be done for the specified connector by issuing a "
            f"'PUT' request to the '/connectors/{name}/stop' endpoint.",
        )
    if not db.connectors.pause(name):
        raise Refusal(409, f"A request of the connector {name} is still under way. Try again a little later.")
    return connector


def _position(given: Mapping[str, Any]) -> tuple[str, Mapping[str, Any] | None]:
    """(part, position) of a source. Raises Refusal."""
    part, offset = given["partition"].get("part"), given.get("offset")
    if not isinstance(part, str) or len(given["partition"]) != 1 or not (offset is None or isinstance(offset, dict)):
        raise Refusal(400, 'Of a source an offset is {"partition": {"part": NAME}, "offset": {...}}, as GET shows them.')
    return part, offset


def _offset(db: Database, connector: Connector, given: Mapping[str, Any]) -> tuple[tuple[str, int], int | None]:
    """((topic, partition), offset) of a sink. Raises Refusal."""
    topic, partition, offset = given["partition"].get("kafka_topic"), given["partition"].get("kafka_partition"), given.get("offset")
    at = offset.get("kafka_offset") if isinstance(offset, dict) else offset
    partition = int(partition) if isinstance(partition, str) and partition.isdecimal() else partition
    at = int(at) if isinstance(at, str) and at.isdecimal() else at
    if not isinstance(topic, str) or type(partition) is not int or not (offset is None or type(at) is int):
        raise Refusal(400, f"Of a sink an offset is {_WAYS}.")
    found = db.log.topic(topic)
    if found is None or not 0 <= partition < found.partitions:
        raise Refusal(400, f"There is no partition {partition} of a topic {topic}.")
    if at is not None and not 0 <= at <= db.log.end_offset(topic, partition):
        raise Refusal(400, f"The offset {at} of {topic}-{partition} is beyond the topic's end, {db.log.end_offset(topic, partition)}.")
    return (topic, partition), at
