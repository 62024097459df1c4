"""The function library: what SQL can call. `resolve_scalar`, `resolve_aggregate` and `resolve_table` turn a call into what runs."""

from penstock.functions.resolution import all_functions, describe, kind_of, resolve_aggregate, resolve_scalar, resolve_table

__all__ = ["all_functions", "describe", "kind_of", "resolve_aggregate", "resolve_scalar", "resolve_table"]
