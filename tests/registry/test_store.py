"""The registry's records in the compacted topic of a log."""

from __future__ import annotations

from pathlib import Path

from tests.registry.seeds import PLANT, READING, READING_FIELDS, record

from penstock.log import open_log
from penstock.log.names import SCHEMAS_TOPIC
from penstock.registry.embedded import EmbeddedRegistry
from penstock.registry.model import Schema
from penstock.registry.store import TopicStore


def test_a_registry_is_there_again_when_its_folder_is_opened_again(tmp_path: Path) -> None:
    log = open_log(tmp_path)
    registry = EmbeddedRegistry(TopicStore(log))
    assert registry.subjects() == []
    assert log.topic(SCHEMAS_TOPIC) is None
    registry.register("readings-value", Schema(READING))
    registry.register("houseplants-value", Schema(PLANT))
    registry.register("readings-value", Schema(record("reading", *READING_FIELDS, ("light", "int"), light=0)))
    registry.set_compatibility("FULL", "readings-value")
    registry.delete_subject("houseplants-value")
    registry.delete_subject("houseplants-value", permanent=True)
    log.clean()
    log.close()
    log = open_log(tmp_path)
    again = EmbeddedRegistry(TopicStore(log))
    assert again.subjects(deleted=True) == ["readings-value"]
    assert again.versions("readings-value") == [1, 2]
    assert again.compatibility("readings-value") == "FULL"
    assert again.register("mapping-value", Schema('"int"')) == 4
    log.close()
