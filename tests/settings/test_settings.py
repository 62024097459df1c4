"""Settings: names, values, and what is said about bad ones."""

from __future__ import annotations

import pytest

from penstock import settings
from penstock.errors import ConfigError


@pytest.mark.parametrize("name", ["auto.offset.reset", "ksql.streams.auto.offset.reset", "AUTO.OFFSET.RESET"])
def test_a_setting_by_its_names(name: str) -> None:
    assert settings.checked({name: "Earliest"}) == {"auto.offset.reset": "earliest"}


def test_settings_of_kafkas_clients_are_taken_without_effect() -> None:
    name = "ksql.streams.producer.linger.ms"
    assert settings.checked({name: "5"}) == {"producer.linger.ms": "5"}
    assert settings.find(name).no_effect


def test_unknown_names_the_nearest() -> None:
    with pytest.raises(ConfigError, match=r"no setting 'auto\.offset\.rest'\. Did you mean 'auto\.offset\.reset'\?"):
        settings.checked({"auto.offset.rest": "earliest"})


@pytest.mark.parametrize(
    ("name", "text", "complaint"),
    [
        ("auto.offset.reset", "middle", "cannot be 'middle'. It is one of: earliest, latest"),
        ("cache.max.bytes.buffering", "much", "is a whole number, not 'much'"),
        ("cache.max.bytes.buffering", "-1", "is at least 0, not -1"),
        ("ksql.persistence.wrap.single.values", "1", "is true or false, not '1'"),
    ],
)
def test_bad_values(name: str, text: str, complaint: str) -> None:
    with pytest.raises(ConfigError, match=complaint):
        settings.checked({name: text})


def test_values_and_defaults() -> None:
    properties = settings.checked({"cache.max.bytes.buffering": 0, "ksql.persistence.wrap.single.values": False})
    assert settings.value(properties, "cache.max.bytes.buffering") == 0
    assert settings.value(properties, "ksql.persistence.wrap.single.values") is False
    assert settings.value(properties, "auto.offset.reset") == "earliest"


def test_every_setting_is_explained_and_its_default_is_valid() -> None:
    for setting in settings.SETTINGS.values():
        assert setting.documentation or setting.no_effect, setting.name
        assert setting.default == "" or setting.parse(str(setting.default)) == setting.default
