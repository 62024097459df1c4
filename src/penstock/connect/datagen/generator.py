"""Values from an Avro schema, by the annotations of the Avro random generator: `arg.properties` with range, options, iteration and others.

A record is a function of the seed and its number alone, so that a generator goes on where it was by knowing how many records there were.
"""

from __future__ import annotations

import json
import random
import string
from collections.abc import Callable, Mapping
from datetime import date, datetime, timedelta
from decimal import Decimal
from typing import Any

from penstock.connect.datagen.kinds import KINDS
from penstock.connect.folders import Folders
from penstock.errors import ConfigError
from penstock.formats import SerdeOptions
from penstock.formats.avro_schema import from_avro
from penstock.sql.types import Field, Struct

ARGUMENTS = "arg.properties"
LENGTH = 8, 16  # of texts, lists and maps that say nothing of it
_EPOCH = datetime(1970, 1, 1)
_NUMBERS = {"int": (-(2**31), 2**31), "long": (-(2**63), 2**63), "float": (0.0, 1.0), "double": (0.0, 1.0)}

Moment = tuple[random.Random, int, int]
"""What a value is made of: the record's own random numbers, its number from 0, its time in ms."""
Make = Callable[[Moment], Any]


class Generator:
    """Records of one schema. Raises ConfigError, naming the field, for a schema that no record can be made of."""

    def __init__(self, schema: Mapping[str, Any], option: str, seed: int, folders: Folders | None = None) -> None:
        """`folders`: below which lists of values may lie."""
        self._seed = seed
        if schema.get("type") != "record":
            raise ConfigError(f"'{option}' is no schema of a record.", mend='Write {"type": "record", "name": ..., "fields": [...]}.')
        columns = from_avro(json.dumps(schema), SerdeOptions(is_key=False, subject=f"'{option}'"), key_or_value="ROWVAL", upper=False, references={})
        self.schema = Struct(tuple(Field(column.name, column.type) for column in columns))
        """The type of the records."""
        self._make = _Compiler(option, folders or Folders()).make(schema, "", repeated=False)

    def record(self, number: int, time_ms: int) -> dict[str, Any]:
        """The record of a number, 0 and more; `time_ms` is for fields that show the time."""
        # a generator of its own for each record, so that any of them can be made without those before it
        value: dict[str, Any] = self._make((random.Random(f"{self._seed}:{number}"), number, time_ms))  # noqa: S311 - no secrets are made here
        return value


class _Compiler:
    """Turns a schema into a function, once."""

    def __init__(self, option: str, folders: Folders) -> None:
        self._option, self._folders = option, folders
        self._named: dict[str, Any] = {}

    def make(self, schema: Any, path: str, *, repeated: bool) -> Make:
        """The function of a schema; `repeated`: it stands in a list or a map, so that a record may hold it several times."""
        if isinstance(schema, list):
            return self._union(schema, path, {}, repeated=repeated)
        if isinstance(schema, str):
            schema = self._named.get(schema, {"type": schema})
        kind, arguments = schema.get("type"), schema.get(ARGUMENTS, {})
        if not isinstance(arguments, Mapping):
            raise self._wrong(path, f"'{ARGUMENTS}' is no object")
        if isinstance(kind, str) and kind in self._named:
            kind = self._named[kind]
        if isinstance(kind, list) and "options" not in arguments:
            return self._union(kind, path, arguments, repeated=repeated)
        if isinstance(kind, dict):
            return self.make({**kind, ARGUMENTS: {**kind.get(ARGUMENTS, {}), **arguments}}, path, repeated=repeated)
        if "name" in schema:
            self._named[schema["name"]] = schema
        if "options" in arguments:
            options = self._options(arguments["options"], path)
            return self._natural(schema, lambda moment: moment[0].choice(options))
        if "iteration" in arguments:
            if repeated:
                raise self._wrong(path, "'iteration' cannot stand in a list or a map")
            if kind == "boolean":
                return self._alternating(arguments["iteration"], path)
            return self._natural(schema, self._iteration(arguments["iteration"], path))
        if arguments.get("now"):
            factor = 1000 if str(schema.get("logicalType", "")).endswith("micros") else 1
            return self._natural(schema, lambda moment: moment[2] * factor)
        if kind == "record":
            return self._record(schema, path, repeated=repeated)
        if kind in ("array", "map"):
            return self._collection(schema, arguments, path)
        return self._natural(schema, self._scalar(schema, arguments, path))

    def _record(self, schema: Mapping[str, Any], path: str, *, repeated: bool) -> Make:
        fields = []
        for field in schema["fields"]:
            spec = {"type": field["type"], ARGUMENTS: field.get(ARGUMENTS, {})}
            fields.append((field["name"], self.make(spec, f"{path}{field['name']}.", repeated=repeated)))
        return lambda moment: {name: make(moment) for name, make in fields}

    def _union(self, branches: list[Any], path: str, arguments: Mapping[str, Any], *, repeated: bool) -> Make:
        """A value of one of the branches: of that at `position`, or each as often as `distribution` says, or all alike."""
        made = [self.make(branch, path, repeated=repeated) for branch in branches]
        if "position" in arguments:
            position = arguments["position"]
            if not isinstance(position, int) or not 0 <= position < len(made):
                raise self._wrong(path, f"'position' is {position!r}, but the union has {len(made)} types")
            return made[position]
        if "distribution" in arguments:
            given = arguments["distribution"]
            parts = [given.get(str(n), 0) for n in range(len(made))] if isinstance(given, Mapping) else []
            if not parts or set(given) - {str(n) for n in range(len(made))} or not _are_parts(parts):
                raise self._wrong(path, f"'distribution' is {given!r}, not the part of each of {len(made)} types, which are 1 together")
            return lambda moment: moment[0].choices(made, parts)[0](moment)
        return lambda moment: moment[0].choice(made)(moment)

    def _collection(self, schema: Mapping[str, Any], arguments: Mapping[str, Any], path: str) -> Make:
        length = self._length(arguments, path)
        if schema["type"] == "array":
            item = self.make(schema["items"], f"{path}[].", repeated=True)
            return lambda moment: [item(moment) for _ in range(length(moment[0]))]
        key = self.make({"type": "string", ARGUMENTS: arguments.get("keys", {})}, f"{path}keys.", repeated=True)
        value = self.make(schema["values"], f"{path}values.", repeated=True)
        return lambda moment: {key(moment): value(moment) for _ in range(length(moment[0]))}

    def _scalar(self, schema: Mapping[str, Any], arguments: Mapping[str, Any], path: str) -> Make:
        match schema["type"]:
            case "null":
                return lambda moment: None
            case "boolean":
                odds = float(arguments.get("odds", 0.5))
                return lambda moment: moment[0].random() < odds
            case "int" | "long" as kind:
                low, high = self._range(arguments, *_NUMBERS[kind], path)
                return lambda moment: moment[0].randrange(int(low), int(high))
            case "float" | "double" as kind:
                low, high = self._range(arguments, *_NUMBERS[kind], path)
                return lambda moment: moment[0].uniform(low, high)
            case "string":
                return self._text(arguments, path)
            case "bytes" if schema.get("logicalType") == "decimal":
                scale = int(schema.get("scale", 0))
                low, high = self._range(arguments, 0, 10 ** (int(schema["precision"]) - scale), path)
                return lambda moment: Decimal(moment[0].uniform(low, high)).quantize(Decimal(1).scaleb(-scale))
            case "bytes":
                length = self._length(arguments, path)
                return lambda moment: moment[0].randbytes(length(moment[0]))
            case "fixed":
                size = int(schema["size"])
                return lambda moment: moment[0].randbytes(size)
            case "enum":
                symbols = list(schema["symbols"])
                return lambda moment: moment[0].choice(symbols)
        raise self._wrong(path, f"its type {schema.get('type')!r} is not known")

    def _options(self, given: Any, path: str) -> list[Any]:
        """The values to choose from, in the schema or in a file of JSON."""
        if isinstance(given, Mapping) and "file" in given:
            if given.get("encoding", "json") != "json":
                raise self._wrong(path, f"the 'encoding' of 'options' is {given['encoding']!r}, not json")
            file = self._folders.path(str(given["file"]), self._option)
            try:
                given = json.loads(file.read_text(encoding="utf-8"))
            except (OSError, ValueError) as error:
                raise self._wrong(path, f"the file {file} of 'options' cannot be read: {error}") from None
        if not isinstance(given, list) or not given:
            raise self._wrong(path, "'options' is no list of values")
        return given

    def _text(self, arguments: Mapping[str, Any], path: str) -> Make:
        prefix, suffix = arguments.get("prefix", ""), arguments.get("suffix", "")
        if "kind" in arguments:
            write = KINDS.get(arguments["kind"])
            if write is None:
                raise self._wrong(path, f"'kind' is {arguments['kind']!r}, not one of {', '.join(KINDS)}")
            return lambda moment: prefix + write(moment[0]) + suffix
        if "regex" in arguments:
            from penstock.connect.datagen.regex import compiled

            try:
                matching = compiled(str(arguments["regex"]))
            except ValueError as error:
                raise self._wrong(path, f"'regex': {error}") from None
            return lambda moment: prefix + matching(moment[0]) + suffix
        length = self._length(arguments, path)
        return lambda moment: prefix + "".join(moment[0].choices(string.ascii_lowercase, k=length(moment[0]))) + suffix

    def _length(self, arguments: Mapping[str, Any], path: str) -> Callable[[random.Random], int]:
        length = arguments.get("length", {"min": LENGTH[0], "max": LENGTH[1]})
        if isinstance(length, int):
            return lambda _: length
        low, high = self._bounds(length, 0, LENGTH[1], "length", path)
        return lambda numbers: numbers.randrange(int(low), int(high))

    def _range(self, arguments: Mapping[str, Any], low: float, high: float, path: str) -> tuple[Any, Any]:
        return self._bounds(arguments.get("range", {}), low, high, "range", path)

    def _bounds(self, given: Any, low: float, high: float, name: str, path: str) -> tuple[Any, Any]:
        """`min`, which may come, and `max`, which does not."""
        if not isinstance(given, Mapping):
            raise self._wrong(path, f"'{name}' is no object of min and max")
        low, high = given.get("min", low), given.get("max", high)
        if not isinstance(low, int | float) or not isinstance(high, int | float) or low >= high:
            raise self._wrong(path, f"'{name}' goes from {low!r} to {high!r}")
        return low, high

    def _iteration(self, given: Any, path: str) -> Make:
        if not isinstance(given, Mapping) or "start" not in given:
            raise self._wrong(path, "'iteration' needs 'start'")
        start, restart = given["start"], given.get("restart")
        step = given.get("step", 1 if restart is None or restart > start else -1)
        if not all(isinstance(n, int | float) for n in (start, step)) or step == 0 or (restart is not None and (restart - start) * step <= 0):
            raise self._wrong(path, f"'iteration' goes from {start!r} to {restart!r} by {step!r}")
        first = given.get("initial", start)
        skipped = round((first - start) / step)
        if restart is None:
            return lambda moment: start + (moment[1] + skipped) * step
        count = -int(-(restart - start) // step)
        return lambda moment: start + (moment[1] + skipped) % count * step

    def _alternating(self, given: Any, path: str) -> Make:
        if not isinstance(given, Mapping) or not isinstance(given.get("start"), bool) or len(given) > 1:
            raise self._wrong(path, "the 'iteration' of a boolean is an object of 'start' alone, true or false")
        start = given["start"]
        return lambda moment: start ^ bool(moment[1] % 2)

    def _natural(self, schema: Mapping[str, Any], make: Make) -> Make:
        """The values as Python's own, where the schema says that numbers are dates or times."""
        match schema.get("logicalType"):
            case "date":
                return lambda moment: date.fromordinal(_EPOCH.toordinal() + make(moment))
            case "timestamp-millis" | "local-timestamp-millis":
                return lambda moment: _EPOCH + timedelta(milliseconds=make(moment))
            case "timestamp-micros" | "local-timestamp-micros":
                return lambda moment: _EPOCH + timedelta(microseconds=make(moment))
            case "time-millis":
                return lambda moment: (_EPOCH + timedelta(milliseconds=make(moment) % 86_400_000)).time()
            case "time-micros":
                return lambda moment: (_EPOCH + timedelta(microseconds=make(moment) % 86_400_000_000)).time()
        if schema.get("type") in ("float", "double"):
            return lambda moment: float(make(moment))
        return make

    def _wrong(self, path: str, why: str) -> ConfigError:
        return ConfigError(f"'{self._option}', the field {path.rstrip('.') or 'itself'}: {why}.")


def _are_parts(parts: list[Any]) -> bool:
    """Whether these are parts of a whole."""
    return all(isinstance(part, int | float) and part >= 0 for part in parts) and abs(sum(parts) - 1) < 1e-6
