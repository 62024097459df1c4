"""The text of a .proto file, read into dataclasses and written in one canonical way (Protocol Buffers language specification, proto2 and proto3)."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import NoReturn

from penstock.errors import SchemaError

SCALARS = frozenset((
    "double", "float", "int32", "int64", "uint32", "uint64", "sint32", "sint64", "fixed32", "fixed64", "sfixed32", "sfixed64",
    "bool", "string", "bytes",
))
_TOKEN = re.compile(r"""\s+ | //[^\n]* | /\*.*?\*/ | (?P<string>"(?:[^"\\\n]|\\.)*"|'(?:[^'\\\n]|\\.)*')
    | (?P<word>\.?[A-Za-z_][A-Za-z0-9_.]*) | (?P<number>[-+]?[0-9][0-9A-Za-z_.+-]*) | (?P<mark>[{}\[\]()<>;=,:+-])""", re.X | re.S)


@dataclass(frozen=True)
class ProtoField:
    """`label` is "", optional, required or repeated; `type` as written; for a map, `key` is its keys' type and `type` its values'.
    `options` are written as they stand, by name."""

    name: str
    number: int
    type: str
    label: str = ""
    key: str | None = None
    oneof: str | None = None
    options: tuple[tuple[str, str], ...] = ()


@dataclass(frozen=True)
class ProtoEnum:
    name: str
    values: tuple[tuple[str, int], ...]
    reserved: tuple[str, ...] = ()
    options: tuple[tuple[str, str], ...] = ()


@dataclass(frozen=True)
class ProtoMessage:
    name: str
    fields: tuple[ProtoField, ...] = ()
    messages: tuple[ProtoMessage, ...] = ()
    enums: tuple[ProtoEnum, ...] = ()
    reserved: tuple[str, ...] = ()
    options: tuple[tuple[str, str], ...] = ()


@dataclass(frozen=True)
class ProtoFile:
    syntax: str = "proto3"
    package: str = ""
    imports: tuple[str, ...] = ()
    messages: tuple[ProtoMessage, ...] = ()
    enums: tuple[ProtoEnum, ...] = ()
    options: tuple[tuple[str, str], ...] = ()


@dataclass
class _Reader:
    text: str
    tokens: list[tuple[str, int]] = field(default_factory=list)
    at: int = 0

    def __post_init__(self) -> None:
        position = 0
        while position < len(self.text):
            match = _TOKEN.match(self.text, position)
            if match is None:
                self.fail(f"{self.text[position]!r} has no place there", position)
            if match.lastgroup:
                self.tokens.append((match.group(), position))
            position = match.end()

    def fail(self, why: str, position: int | None = None) -> NoReturn:
        place = position if position is not None else self.tokens[self.at][1] if self.at < len(self.tokens) else len(self.text)
        raise SchemaError(f"Not a .proto file: line {self.text.count(chr(10), 0, place) + 1}: {why}.", mend="Mend the schema's text.")

    def peek(self) -> str:
        return self.tokens[self.at][0] if self.at < len(self.tokens) else ""

    def opens(self) -> bool:
        """Whether a brace stands behind the next word, its keyword's name."""
        return self.at + 2 < len(self.tokens) and self.tokens[self.at + 2][0] == "{"

    def next(self) -> str:
        word = self.peek()
        if not word:
            self.fail("the text ends too early")
        self.at += 1
        return word

    def take(self, wanted: str) -> bool:
        if self.peek() == wanted:
            self.at += 1
            return True
        return False

    def expect(self, wanted: str) -> None:
        if not self.take(wanted):
            self.fail(f"{wanted} is expected, not {self.peek() or 'the end'}")

    def name(self) -> str:
        word = self.next()
        if not re.fullmatch(r"\.?[A-Za-z_][A-Za-z0-9_.]*", word):
            self.at -= 1
            self.fail(f"a name is expected, not {word}")
        return word

    def number(self) -> int:
        word = self.next()
        if word == "-":
            return -self.number()
        try:
            return int(word, 0)
        except ValueError:
            self.at -= 1
            self.fail(f"a whole number is expected, not {word}")

    def string(self) -> str:
        word = self.next()
        if word[0] not in "\"'":
            self.at -= 1
            self.fail(f"a text in quotes is expected, not {word}")
        return word[1:-1]

    def until(self, *ends: str) -> str:
        """The tokens up to one of `ends` at this level, with a space between them; the end itself is not taken."""
        parts, depth = [], 0
        while depth or self.peek() not in ends:
            word = self.next()
            depth += (word in "{[(<") - (word in "}])>")
            parts.append('"' + word[1:-1] + '"' if word[0] == "'" else word)
        return " ".join(parts)


def parse_file(text: str) -> ProtoFile:
    """Read a .proto file; SchemaError with the line where it is malformed. Services and extensions are passed over."""
    reader = _Reader(text)
    syntax, package = "proto2", ""
    imports: list[str] = []
    messages: list[ProtoMessage] = []
    enums: list[ProtoEnum] = []
    options: list[tuple[str, str]] = []
    while reader.peek():
        match mark := reader.next():
            case "syntax":
                reader.expect("=")
                syntax = reader.string()
                if syntax not in ("proto2", "proto3"):
                    reader.fail(f"the syntax {syntax} is not known (proto2 and proto3 are)")
                reader.expect(";")
            case "package":
                package = reader.name()
                reader.expect(";")
            case "import":
                reader.take("public") or reader.take("weak")
                imports.append(reader.string())
                reader.expect(";")
            case "option":
                options.append(_option(reader))
            case "message":
                messages.append(_message(reader))
            case "enum":
                enums.append(_enum(reader))
            case "service" | "extend":
                reader.name()
                reader.until("{")
                reader.expect("{")
                reader.until("}")
                reader.expect("}")
            case ";":
                pass
            case _:
                reader.at -= 1
                reader.fail(f"{mark} has no place there")
    return ProtoFile(syntax, package, tuple(sorted(imports)), tuple(messages), tuple(enums), tuple(sorted(options)))


def _option(reader: _Reader) -> tuple[str, str]:
    name = reader.until("=").replace(" ", "")
    reader.expect("=")
    value = reader.until(";")
    reader.expect(";")
    return name, value


def _message(reader: _Reader) -> ProtoMessage:
    name = reader.name()
    fields: list[ProtoField] = []
    messages: list[ProtoMessage] = []
    enums: list[ProtoEnum] = []
    reserved: list[str] = []
    options: list[tuple[str, str]] = []
    reader.expect("{")
    while not reader.take("}"):
        match reader.peek():
            case "message" if reader.opens():
                reader.next()
                messages.append(_message(reader))
            case "enum" if reader.opens():
                reader.next()
                enums.append(_enum(reader))
            case "oneof" if reader.opens():
                reader.next()
                fields += _oneof(reader)
            case "option":
                reader.next()
                options.append(_option(reader))
            case "reserved" | "extensions":
                kind = reader.next()
                ranges = reader.until(";")
                reader.expect(";")
                if kind == "reserved":
                    reserved += [r.strip() for r in ranges.split(" , ")]
            case ";":
                reader.next()
            case "extend":
                reader.until("{")
                reader.expect("{")
                reader.until("}")
                reader.expect("}")
            case _:
                fields.append(_field(reader, None))
    numbers = [f.number for f in fields]
    for one in fields:
        if numbers.count(one.number) > 1:
            reader.fail(f"message {name} has the field number {one.number} twice")
    return ProtoMessage(name, tuple(fields), tuple(messages), tuple(enums), tuple(reserved), tuple(sorted(options)))


def _oneof(reader: _Reader) -> list[ProtoField]:
    name = reader.name()
    reader.expect("{")
    fields = []
    while not reader.take("}"):
        if reader.take("option"):
            _option(reader)
        elif not reader.take(";"):
            fields.append(_field(reader, name))
    return fields


def _field(reader: _Reader, oneof: str | None) -> ProtoField:
    label = reader.next() if reader.peek() in ("optional", "required", "repeated") else ""
    kind, key = reader.name(), None
    if kind == "map" and reader.take("<"):
        key = reader.name()
        reader.expect(",")
        kind = reader.name()
        reader.expect(">")
    name = reader.name()
    reader.expect("=")
    number = reader.number()
    options: list[tuple[str, str]] = []
    if reader.take("["):
        while not reader.take("]"):
            option = reader.until("=").replace(" ", "")
            reader.expect("=")
            options.append((option, reader.until(",", "]")))
            reader.take(",")
    reader.expect(";")
    return ProtoField(name, number, kind, label, key, oneof, tuple(sorted(options)))


def _enum(reader: _Reader) -> ProtoEnum:
    name = reader.name()
    values: list[tuple[str, int]] = []
    reserved: list[str] = []
    options: list[tuple[str, str]] = []
    reader.expect("{")
    while not reader.take("}"):
        if reader.take("option"):
            options.append(_option(reader))
        elif reader.take("reserved"):
            reserved += [r.strip() for r in reader.until(";").split(" , ")]
            reader.expect(";")
        elif not reader.take(";"):
            value = reader.name()
            reader.expect("=")
            values.append((value, reader.number()))
            if reader.take("["):
                reader.until("]")
                reader.expect("]")
            reader.expect(";")
    return ProtoEnum(name, tuple(values), tuple(reserved), tuple(sorted(options)))


def format_file(file: ProtoFile) -> str:
    """The text of a file, in one way for all spellings."""
    head = [f'syntax = "{file.syntax}";']
    if file.package:
        head.append(f"package {file.package};")
    blocks = ["\n".join(head)]
    if file.imports:
        blocks.append("\n".join(f'import "{i}";' for i in file.imports))
    if file.options:
        blocks.append("\n".join(f"option {n} = {v};" for n, v in file.options))
    blocks += ["\n".join(_message_lines(m, "")) for m in file.messages]
    blocks += ["\n".join(_enum_lines(e, "")) for e in file.enums]
    return "\n\n".join(blocks) + "\n"


def _message_lines(message: ProtoMessage, indent: str) -> list[str]:
    inner = indent + "  "
    lines = [f"{indent}message {message.name} {{"]
    lines += [f"{inner}option {n} = {v};" for n, v in message.options]
    lines += [f"{inner}reserved {', '.join(message.reserved)};"] if message.reserved else []
    lines += [inner + _field_text(f) for f in message.fields if f.oneof is None]
    for oneof in dict.fromkeys(f.oneof for f in message.fields if f.oneof):
        lines += [f"{inner}oneof {oneof} {{", *(f"{inner}  {_field_text(f)}" for f in message.fields if f.oneof == oneof), f"{inner}}}"]
    for nested in message.messages:
        lines += ["", *_message_lines(nested, inner)]
    for enum in message.enums:
        lines += ["", *_enum_lines(enum, inner)]
    return [*lines, f"{indent}}}"]


def _field_text(one: ProtoField) -> str:
    kind = one.type if one.key is None else f"map<{one.key}, {one.type}>"
    options = f" [{', '.join(f'{n} = {v}' for n, v in one.options)}]" if one.options else ""
    return f"{one.label + ' ' if one.label else ''}{kind} {one.name} = {one.number}{options};"


def _enum_lines(enum: ProtoEnum, indent: str) -> list[str]:
    inner = indent + "  "
    return [
        f"{indent}enum {enum.name} {{", *(f"{inner}option {n} = {v};" for n, v in enum.options),
        *([f"{inner}reserved {', '.join(enum.reserved)};"] if enum.reserved else []),
        *(f"{inner}{n} = {v};" for n, v in enum.values), f"{indent}}}",
    ]
