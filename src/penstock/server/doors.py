"""The doors that there are. A door's module has its definition as `DOOR`."""

from __future__ import annotations

from functools import cache
from importlib import import_module

from penstock.server.door import Door

MODULES = ("penstock.server.ksql.door", "penstock.server.connect.door")


@cache
def doors() -> dict[str, Door]:
    """Every door by its name."""
    found: list[Door] = [import_module(module).DOOR for module in MODULES]
    return {door.name: door for door in found}
