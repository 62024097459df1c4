"""Names of a STRUCT's fields inside DuckDB, which cannot tell names apart that differ by case alone.

Where two fields of a STRUCT would be one to DuckDB, the later gets a number behind its name there. Columns change over to those names where they
enter DuckDB, and back where they leave it; the values are not touched, so that this costs nothing.
"""

from __future__ import annotations

from functools import lru_cache
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Sequence

    import pyarrow as pa

TYPES_KEPT = 4096


def distinct_names(names: Sequence[str]) -> tuple[str, ...]:
    """The names as they are, but a number behind each that DuckDB would take for an earlier one: `FOO`, `foo` become `FOO`, `foo 2`."""
    taken = {name.lower() for name in names}
    seen: set[str] = set()
    found = []
    for name in names:
        other, number = name, 2
        while other.lower() in seen or (number > 2 and other.lower() in taken):
            other, number = f"{name} {number}", number + 1
        seen.add(other.lower())
        found.append(other)
    return tuple(found)


@lru_cache(TYPES_KEPT)
def distinct_type(type_: pa.DataType) -> pa.DataType:
    """The Arrow type with field names that DuckDB tells apart, at any depth; the same where it does already."""
    import pyarrow as pa

    if pa.types.is_struct(type_):
        fields = [type_.field(i) for i in range(type_.num_fields)]
        names = distinct_names([f.name for f in fields])
        return pa.struct([f.with_name(name).with_type(distinct_type(f.type)) for f, name in zip(fields, names, strict=True)])
    if pa.types.is_map(type_):
        return pa.map_(
            type_.key_field.with_type(distinct_type(type_.key_type)), type_.item_field.with_type(distinct_type(type_.item_type))
        )
    if pa.types.is_list(type_):
        return pa.list_(type_.value_field.with_type(distinct_type(type_.value_type)))
    return type_


def distinct(table: pa.Table) -> pa.Table:
    """The table with field names that DuckDB tells apart."""
    import pyarrow as pa

    for i, field in enumerate(table.schema):
        if pa.types.is_nested(field.type) and (type_ := distinct_type(field.type)) != field.type:
            table = table.set_column(i, field.with_type(type_), relabelled(table.column(i), type_))
    return table


def physical(array: pa.Array, type_: pa.DataType) -> pa.Array:
    """A column that DuckDB gave, as one of this type."""
    if array.type == type_:
        return array
    inside = distinct_type(type_)
    return relabelled(array if array.type == inside else array.cast(inside), type_)


def relabelled(array: Any, type_: pa.DataType) -> Any:
    """The array, plain or chunked, as one of a type that differs by the names of fields alone."""
    import pyarrow as pa

    if array.type == type_:
        return array
    if isinstance(array, pa.ChunkedArray):
        return pa.chunked_array([relabelled(chunk, type_) for chunk in array.chunks], type_)
    return pa.array(_Relabelled(array, type_))


class _Relabelled:
    """An array that says it is of another type, by Arrow's C data interface."""

    def __init__(self, array: pa.Array, type_: pa.DataType) -> None:
        self._array, self._type = array, type_

    def __arrow_c_array__(self, requested_schema: object = None) -> tuple[Any, Any]:
        return self._type.__arrow_c_schema__(), self._array.__arrow_c_array__()[1]
