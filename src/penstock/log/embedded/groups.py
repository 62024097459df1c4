"""What consumer groups have committed."""

from __future__ import annotations

from collections.abc import Mapping

from penstock.errors import TopicError
from penstock.log.embedded.environment import NUMBER, View
from penstock.log.embedded.topics import GROUP, PARTITION, every, require

GROUP_BYTES_MAX = 480


def _prefix(group: str) -> bytes:
    name = group.encode()
    if not name or len(name) > GROUP_BYTES_MAX or b"\0" in name:
        raise TopicError(f"{group[:50]!r} cannot be a consumer group's name.", mend=f"Use 1 to {GROUP_BYTES_MAX} bytes without NUL.")
    return GROUP + name + b"\0"


def commit(view: View, group: str, offsets: Mapping[tuple[str, int], int]) -> None:
    """Set the next offsets to read."""
    prefix = _prefix(group)
    for (name, partition), offset in offsets.items():
        topic = require(view, name, partition)
        if offset < 0:
            raise TopicError(f"Group {group} cannot commit offset {offset} of topic {name}.", mend="Commit the next offset to read, 0 or more.")
        view.put(prefix + PARTITION.pack(topic.id, partition), NUMBER.pack(offset))


def committed(view: View, group: str) -> dict[tuple[str, int], int]:
    """What the group has committed, of topics that still exist."""
    prefix = _prefix(group)
    found = [(PARTITION.unpack(key[len(prefix) :]), NUMBER.unpack(value)[0]) for key, value in view.items(prefix)]
    if not found:
        return {}
    names = {topic.id: topic.info.name for topic in every(view)}
    return {(names[topic_id], partition): offset for (topic_id, partition), offset in found}


def every_group(view: View) -> list[str]:
    """The groups, sorted."""
    return sorted({key[len(GROUP) : -PARTITION.size - 1].decode() for key, _ in view.items(GROUP)})


def forget(view: View, group: str) -> None:
    """Remove what the group has committed."""
    for key in [key for key, _ in view.items(_prefix(group))]:
        view.txn.delete(key, db=view.meta)
