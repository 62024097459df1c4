"""What the tests of the formats share: a registry in memory, and short ways to decode and encode."""

from __future__ import annotations

import pytest

from penstock.registry.embedded import EmbeddedRegistry
from penstock.registry.store import MemoryStore


@pytest.fixture
def schemas() -> EmbeddedRegistry:
    return EmbeddedRegistry(MemoryStore())
