"""Protobuf messages to column values and back, one record at a time, by the protobuf library's own messages."""

from __future__ import annotations

import datetime
from collections.abc import Callable, Sequence
from decimal import Decimal as Number
from functools import partial
from typing import Any

from penstock.errors import ConfigError, SchemaError
from penstock.formats.coercion import Misfit, coercer, match_fields
from penstock.formats.contract import Column
from penstock.formats.protobuf_schema import DECIMAL, KNOWN, WRAPPED
from penstock.registry.proto_file import SCALARS, ProtoEnum, ProtoField, ProtoMessage
from penstock.registry.protobuf import ProtoTypes
from penstock.sql.types import Array, Map, SqlType, Struct

try:
    from google.protobuf import descriptor_pb2, descriptor_pool, message_factory
    from google.protobuf.message import DecodeError, EncodeError
except ImportError as problem:
    raise ConfigError("The formats PROTOBUF and PROTOBUF_NOSR need the protobuf package.", mend="pip install 'penstock[protobuf]'") from problem

_KIND = {name: getattr(descriptor_pb2.FieldDescriptorProto, f"TYPE_{name.upper()}") for name in SCALARS}
_LABEL = {
    "": descriptor_pb2.FieldDescriptorProto.LABEL_OPTIONAL, "optional": descriptor_pb2.FieldDescriptorProto.LABEL_OPTIONAL,
    "required": descriptor_pb2.FieldDescriptorProto.LABEL_REQUIRED, "repeated": descriptor_pb2.FieldDescriptorProto.LABEL_REPEATED,
}
_EPOCH = datetime.date(1970, 1, 1).toordinal()


def message_class(types: ProtoTypes, name: str) -> Any:
    """The class of a message by its full name. All its types go into one file of a pool of its own, so that no two schemas meet."""
    file = descriptor_pb2.FileDescriptorProto(name="schema.proto", syntax=types.file.syntax)
    for full, one in types.types.items():
        # each type stands outermost under a flat name, since the types come from several packages
        if isinstance(one, ProtoEnum):
            _add_enum(file, full, one)
        else:
            _add_message(file, full, one, types)
    try:
        pool = descriptor_pool.DescriptorPool()
        pool.Add(file)
        return message_factory.GetMessageClass(pool.FindMessageTypeByName(_flat(name)))
    except (TypeError, KeyError, ValueError) as problem:
        raise SchemaError(f"Not a Protobuf schema: {problem}.", mend="Mend the schema's text.") from None


def _flat(full: str) -> str:
    return "T_" + full.replace("_", "__").replace(".", "_")


def _add_enum(file: Any, full: str, one: ProtoEnum) -> None:
    added = file.enum_type.add(name=_flat(full))
    if len({v for _, v in one.values}) < len(one.values):
        added.options.allow_alias = True
    for name, number in one.values:
        added.value.add(name=f"{_flat(full)}_{name}", number=number)


def _add_message(file: Any, full: str, one: ProtoMessage, types: ProtoTypes) -> None:
    added = file.message_type.add(name=_flat(full))
    oneofs = list(dict.fromkeys(f.oneof for f in one.fields if f.oneof))
    for name in oneofs:
        added.oneof_decl.add(name=name)
    for f in one.fields:
        made = added.field.add(name=f.name, number=f.number, label=_LABEL[f.label])
        if f.key is not None:
            entry = added.nested_type.add(name=_entry_name(f.name))
            entry.options.map_entry = True
            entry.field.add(name="key", number=1, label=_LABEL[""], type=_KIND[f.key])
            _set_type(entry.field.add(name="value", number=2, label=_LABEL[""]), f, full, types)
            made.label = _LABEL["repeated"]
            made.type = descriptor_pb2.FieldDescriptorProto.TYPE_MESSAGE
            made.type_name = f".{_flat(full)}.{_entry_name(f.name)}"
            continue
        _set_type(made, f, full, types)
        if f.oneof:
            made.oneof_index = oneofs.index(f.oneof)
    for f, made in zip(one.fields, added.field, strict=True):
        if f.label == "optional" and types.file.syntax == "proto3" and f.oneof is None:
            made.proto3_optional = True
            made.oneof_index = len(added.oneof_decl)
            added.oneof_decl.add(name=f"_{f.name}")


def _entry_name(name: str) -> str:
    return "".join(part[:1].upper() + part[1:] for part in name.split("_")) + "Entry"


def _set_type(made: Any, field: ProtoField, scope: str, types: ProtoTypes) -> None:
    if field.type in SCALARS:
        made.type = _KIND[field.type]
        return
    full = types.find(field.type, scope)
    assert full is not None
    made.type_name = "." + _flat(full)


Getter = Callable[[Any], Any]


def getter(types: ProtoTypes, name: str) -> Getter:
    """What turns a message into a dict of its fields' values."""
    message = types.types[name]
    assert isinstance(message, ProtoMessage)
    fields = [(f.name, _field_getter(types, f, name)) for f in message.fields]
    return lambda value: {name: get(value) for name, get in fields}


def _field_getter(types: ProtoTypes, field: ProtoField, scope: str) -> Getter:
    name = field.name
    convert: Getter | None = None  # made when first needed: a message may contain itself

    def of(value: Any) -> Any:
        nonlocal convert
        if convert is None:
            convert = _value_getter(types, field, scope)
        return convert(value)

    if field.key is not None:
        return lambda m: {k: of(v) for k, v in getattr(m, name).items()}
    if field.label == "repeated":
        return lambda m: [of(v) for v in getattr(m, name)]
    tells_absence = field.label == "optional" or field.oneof is not None or types.file.syntax == "proto2" or (field.type not in SCALARS and (
        not isinstance(types.types[types.find(field.type, scope) or ""], ProtoEnum)))
    if tells_absence:
        return lambda m: of(getattr(m, name)) if m.HasField(name) else None
    if field.type == "bytes":
        return lambda m: getattr(m, name) or None  # absent bytes and empty ones are one on the wire; ksqlDB takes them as NULL
    return lambda m: of(getattr(m, name))


def _value_getter(types: ProtoTypes, field: ProtoField, scope: str) -> Getter:
    if field.type in SCALARS:
        return lambda v: v
    full = types.find(field.type, scope)
    assert full is not None
    if full in WRAPPED:
        return lambda v: v.value
    if full == DECIMAL:
        return lambda v: Number(int.from_bytes(v.value, "big", signed=True)).scaleb(-v.scale)
    if full in KNOWN:
        return _KNOWN_GETTERS[full]
    found = types.types[full]
    if isinstance(found, ProtoEnum):
        names = {number: word for word, number in reversed(found.values)}
        return lambda v: names.get(v, str(v))
    return getter(types, full)


def _date(value: Any) -> int:
    try:
        return datetime.date(value.year, value.month, value.day).toordinal() - _EPOCH
    except ValueError:
        raise Misfit(f"{value.year}-{value.month}-{value.day} is not a DATE") from None


_KNOWN_GETTERS: dict[str, Getter] = {
    "google.protobuf.Timestamp": lambda v: v.seconds * 1000 + v.nanos // 1_000_000,
    "google.type.TimeOfDay": lambda v: ((v.hours * 60 + v.minutes) * 60 + v.seconds) * 1000 + v.nanos // 1_000_000,
    "google.type.Date": _date,
}


def _unwrapping(type_: SqlType, *, inside: bool = False) -> Getter | None:
    """What takes ARRAYs and MAPs out of the messages that hold them where they are items of others, since Protobuf repeats messages alone; None
    where there are none."""
    plain: Getter | None = None
    match type_:
        case Array(item) if of_item := _unwrapping(item, inside=True):
            plain = partial(_each, of_item)
        case Map(_, value) if of_value := _unwrapping(value, inside=True):
            plain = partial(_each_value, of_value)
        case Struct(fields):
            inner = {f.name.upper(): get for f in fields if (get := _unwrapping(f.type))}
            return partial(_each_field, inner) if inner else None
    if isinstance(type_, Array | Map) and inside:
        return lambda v: _taken_out(v) if plain is None else plain(_taken_out(v))
    return plain


def _taken_out(value: Any) -> Any:
    return value["value"] if isinstance(value, dict) and list(value) == ["value"] else value


# what a schema has instead of an array, map or record is left as it is: the coercion refuses it
def _each(get: Getter, items: Any) -> Any:
    return [get(item) for item in items] if isinstance(items, list) else items


def _each_value(get: Getter, pairs: Any) -> Any:
    return {key: get(value) for key, value in pairs.items()} if isinstance(pairs, dict) else pairs


def _each_field(inner: dict[str, Getter], record: Any) -> Any:
    if not isinstance(record, dict):
        return record
    return {name: inner[name.upper()](v) if name.upper() in inner else v for name, v in record.items()}


def message_decoder(types: ProtoTypes, name: str, columns: Sequence[Column]) -> Callable[[bytes], list[Any]]:
    """The reader of a message's bytes; raises Misfit for what is not one, or does not fit the columns."""
    kind, get = message_class(types, name), getter(types, name)
    coercers = [coercer(c.type, native=True) for c in columns]
    unwrappings = [_unwrapping(c.type) for c in columns]
    names = [c.name for c in columns]

    def decode(data: bytes) -> list[Any]:
        try:
            message = kind.FromString(data)
        except (DecodeError, UnicodeDecodeError, ValueError):
            raise Misfit(f"not a message {name}: its bytes are malformed") from None
        result = []
        for column, coerce, unwrap, value in zip(names, coercers, unwrappings, match_fields(get(message), names), strict=True):
            try:
                result.append(coerce(value if unwrap is None else unwrap(value)))
            except Misfit as problem:
                raise problem.under(column) from None
        return result

    return decode


Setter = Callable[[Any, Any], None]


def setter(types: ProtoTypes, name: str) -> Setter:
    """What fills a message from a dict of values, matched to its fields by name; what is None stays unset."""
    message = types.types[name]
    assert isinstance(message, ProtoMessage)
    names = [f.name for f in message.fields]
    setters = [_field_setter(types, f, name) for f in message.fields]

    def fill(target: Any, values: dict[str, Any]) -> None:
        for field, set_field, value in zip(names, setters, match_fields(values, names), strict=True):
            if value is None:
                continue
            try:
                set_field(target, value)
            except Misfit as problem:
                raise problem.under(field) from None
            except (TypeError, ValueError, AttributeError) as problem:
                raise Misfit(f"cannot be written by its schema: {problem}", field) from None

    return fill


def _field_setter(types: ProtoTypes, field: ProtoField, scope: str) -> Setter:
    name = field.name
    full = None if field.type in SCALARS else types.find(field.type, scope)
    enum = types.types[full] if full else None
    if full is None or isinstance(enum, ProtoEnum):
        convert = _scalar_writer(field.type) if not isinstance(enum, ProtoEnum) else _enum_writer(enum)
        if field.key is not None:
            return lambda m, v: getattr(m, name).update({k: convert(i) for k, i in v if i is not None})
        if field.label == "repeated":
            return lambda m, v: getattr(m, name).extend([convert(i) for i in v])
        return lambda m, v: setattr(m, name, convert(v))
    inner: Setter | None = None

    def fill(target: Any, value: Any) -> None:
        nonlocal inner
        if inner is None:
            inner = _message_setter(types, field, full)
        target.SetInParent()
        inner(target, value)

    if field.key is not None:
        def set_map(message: Any, pairs: Any) -> None:
            for key, value in pairs:
                if value is not None:
                    fill(getattr(message, name)[key], value)

        return set_map
    if field.label == "repeated":
        def set_list(message: Any, items: Any) -> None:
            for item in items:
                added = getattr(message, name).add()
                if item is not None:
                    fill(added, item)

        return set_list
    return lambda m, v: fill(getattr(m, name), v)


def _scalar_writer(kind: str) -> Callable[[Any], Any]:
    defaults: dict[str, Any] = {"string": "", "bytes": b"", "bool": False, "double": 0.0, "float": 0.0}
    default = defaults.get(kind, 0)
    return lambda v: default if v is None else v


def _enum_writer(enum: ProtoEnum) -> Callable[[Any], int]:
    numbers = dict(enum.values)

    def write(value: Any) -> int:
        if value is None:
            return enum.values[0][1]
        if value not in numbers:
            raise Misfit(f"{value!r} is none of the enum {enum.name}: {', '.join(numbers)}")
        return numbers[value]

    return write


def _message_setter(types: ProtoTypes, field: ProtoField, full: str) -> Setter:
    if full in WRAPPED:
        return lambda m, v: setattr(m, "value", v)
    if full == DECIMAL:
        return _set_decimal
    if full in KNOWN:
        return _KNOWN_SETTERS[full]
    message = types.types[full]
    assert isinstance(message, ProtoMessage)
    inner = setter(types, full)
    bare = len(message.fields) == 1 and message.fields[0].name == "value"

    def fill(target: Any, value: Any) -> None:
        inner(target, value if isinstance(value, dict) else {"value": value} if bare else dict(value))

    return fill


def _set_decimal(message: Any, value: Number) -> None:
    sign, digits, exponent = value.as_tuple()
    assert isinstance(exponent, int)
    whole = int("".join(map(str, digits)) or "0") * (-1 if sign else 1)
    message.value = whole.to_bytes(whole.bit_length() // 8 + 1, "big", signed=True)
    message.scale = -exponent
    message.precision = len(digits)


def _set_timestamp(message: Any, ms: int) -> None:
    message.seconds, rest = divmod(ms, 1000)
    message.nanos = rest * 1_000_000


def _set_time(message: Any, ms: int) -> None:
    seconds, rest = divmod(ms, 1000)
    message.hours, message.minutes, message.seconds, message.nanos = seconds // 3600, seconds // 60 % 60, seconds % 60, rest * 1_000_000


def _set_date(message: Any, days: int) -> None:
    try:
        day = datetime.date.fromordinal(days + _EPOCH)
    except (ValueError, OverflowError):
        raise Misfit(f"{days} days since 1970-01-01 are outside of the calendar that Protobuf's Date has") from None
    message.year, message.month, message.day = day.year, day.month, day.day


_KNOWN_SETTERS: dict[str, Setter] = {
    "google.protobuf.Timestamp": _set_timestamp, "google.type.TimeOfDay": _set_time, "google.type.Date": _set_date,
}


def message_encoder(types: ProtoTypes, name: str, columns: Sequence[Column]) -> Callable[[Sequence[Any]], bytes]:
    """The writer of rows as messages; raises Misfit for a value that its field cannot take."""
    kind, fill = message_class(types, name), setter(types, name)
    names = [c.name for c in columns]

    def encode(cells: Sequence[Any]) -> bytes:
        message = kind()
        fill(message, dict(zip(names, cells, strict=True)))
        try:
            data: bytes = message.SerializeToString(deterministic=True)
        except (EncodeError, ValueError) as problem:
            raise Misfit(f"cannot be written by its schema: {problem}") from None
        return data

    return encode
