"""Statement + catalog -> typed plan. Every semantic error is raised here, with line and column.

The entry points load what they need on first use.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from penstock.plan.changes import check_replace, plan_alter, plan_create_type
    from penstock.plan.explanation import explain
    from penstock.plan.inserts import InsertPlan, plan_assert_values, plan_insert_values
    from penstock.plan.interfaces import CatalogView, SchemaLookup
    from penstock.plan.queries import plan_query, scans
    from penstock.plan.schemas import columns_text, schema_text
    from penstock.plan.serial import from_json, to_json
    from penstock.plan.sinks import Planned, TopicSpec, plan_create_as, plan_insert_into, topic_spec
    from penstock.plan.sources import plan_create_source
    from penstock.plan.typed import resolve_type

_HOMES = {
    "changes": ("check_replace", "plan_alter", "plan_create_type"),
    "explanation": ("explain",),
    "inserts": ("InsertPlan", "plan_assert_values", "plan_insert_values"),
    "interfaces": ("CatalogView", "SchemaLookup"),
    "queries": ("plan_query", "scans"),
    "schemas": ("columns_text", "schema_text"),
    "serial": ("from_json", "to_json"),
    "sinks": ("Planned", "TopicSpec", "plan_create_as", "plan_insert_into", "topic_spec"),
    "sources": ("plan_create_source",),
    "typed": ("resolve_type",),
}
_WHERE = {name: module for module, names in _HOMES.items() for name in names}

__all__ = [
    "CatalogView", "InsertPlan", "Planned", "SchemaLookup", "TopicSpec", "check_replace", "columns_text", "explain", "from_json", "plan_alter",
    "plan_assert_values", "plan_create_as", "plan_create_source", "plan_create_type", "plan_insert_into", "plan_insert_values", "plan_query",
    "resolve_type", "scans", "schema_text", "to_json", "topic_spec",
]


def __getattr__(name: str) -> Any:
    if name not in _WHERE:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(f"penstock.plan.{_WHERE[name]}"), name)
