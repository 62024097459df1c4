"""What a topic may be called and set to, in either home."""

from __future__ import annotations

import re

from penstock.errors import TopicError
from penstock.log.protocol import TopicConfig

PARTITIONS_MAX = 10_000
COMMANDS_TOPIC, SCHEMAS_TOPIC = "_penstock_commands", "_schemas"
OWN_TOPICS = (COMMANDS_TOPIC, SCHEMAS_TOPIC)
"""What exists, and the registry's schemas. The first holds connectors' options as they were written, passwords included."""


def check_name(name: str) -> None:
    """Raise TopicError where Kafka would not allow the name."""
    if not re.fullmatch(r"[a-zA-Z0-9._-]{1,249}", name) or name in (".", ".."):
        raise TopicError(f"{name!r} cannot be a topic's name.", mend="Use 1 to 249 of the characters a-z A-Z 0-9 . _ -")


def check_not_own(name: str) -> None:
    """Raise TopicError where a topic is the database's own, so that no statement and no connector may read or write it."""
    if name in OWN_TOPICS:
        raise TopicError(f"The topic {name} is the database's own.", mend="Take another one.")


def check_partitions(name: str, partitions: int) -> None:
    """Raise TopicError where a topic cannot have so many."""
    if not 1 <= partitions <= PARTITIONS_MAX:
        raise TopicError(f"Topic {name} cannot have {partitions} partitions.", mend=f"Give it 1 to {PARTITIONS_MAX}.")


def check_config(name: str, config: TopicConfig) -> None:
    """Raise TopicError for settings that mean nothing."""
    if not config.cleanup <= {"delete", "compact"}:
        raise TopicError(f"Topic {name}: cleanup {', '.join(sorted(config.cleanup))} is unknown.", mend="Use delete, compact or both.")
    for setting in ("retention_ms", "retention_bytes", "delete_retention_ms", "max_message_bytes"):
        value = getattr(config, setting)
        if value is not None and value < 0:
            raise TopicError(f"Topic {name}: {setting} is {value}.", mend="Give 0 or more, or None for no limit.")
