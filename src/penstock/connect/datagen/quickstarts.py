"""The schemas that come with Penstock, by name: ratings of flights, sensors' readings, clicks, users, page views, orders."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from penstock.connect.datagen.generator import ARGUMENTS


@dataclass(frozen=True)
class Quickstart:
    """A schema with the field that is its records' key."""

    schema: Mapping[str, Any]
    key: str


def _field(name: str, type_: str, **arguments: Any) -> dict[str, Any]:
    return {"name": name, "type": {"type": type_, ARGUMENTS: arguments}}


def _record(name: str, *fields: dict[str, Any]) -> dict[str, Any]:
    return {"type": "record", "name": name, "namespace": "penstock.datagen", "fields": list(fields)}


def _range(low: float, high: float) -> dict[str, Any]:
    return {"min": low, "max": high}


_MESSAGES = [
    "The crew was kind, and the tea was hot", "My case came out first, for once", "Two hours late, and no word why", "More room for my knees, please",
    "It landed before I had finished my book", "The app lost my seat twice", "Best view of the Alps in years", "The queue at the gate was endless",
    "Fine", "The film stopped just before the end", "They found my daughter's rabbit and posted it home", "Cold, and no blankets left",
]  # fmt: skip
_PAGES = ["/", "/search", "/basket", "/checkout", "/help", "/offers", "/account"]
_CODES = {200: "OK", 302: "Found", 404: "Not Found", 500: "Internal Server Error"}
_PRODUCTS = ["kettle", "lamp", "ladder", "blanket", "bicycle", "teapot", "rake", "mirror", "stool", "basket"]
_REGIONS = ["north", "south", "east", "west", "coast"]

QUICKSTARTS: Mapping[str, Quickstart] = {
    "ratings": Quickstart(
        _record(
            "ratings",
            _field("rating_id", "long", iteration={"start": 1}),
            _field("user_id", "int", range=_range(1, 21)),
            _field("stars", "int", range=_range(1, 6)),
            _field("route_id", "int", range=_range(1, 10_000)),
            _field("rating_time", "long", now=True),
            _field("channel", "string", options=["web", "ios", "android", "ios-test"]),
            _field("message", "string", options=_MESSAGES),
        ),
        "rating_id",
    ),
    "readings": Quickstart(
        _record(
            "readings",
            _field("sensor_id", "string", regex="sensor-[0-9]{2}"),
            _field("temperature", "double", range=_range(12, 28)),
            _field("humidity", "double", range=_range(30, 80)),
            _field("battery", "int", range=_range(0, 101)),
            _field("reading_time", "long", now=True),
        ),
        "sensor_id",
    ),
    "clickstream": Quickstart(
        _record(
            "clickstream",
            _field("ip", "string", regex="10\\.[0-9]{1,2}\\.[0-9]{1,2}\\.[1-9][0-9]"),
            _field("user_id", "int", range=_range(1, 40)),
            _field("time", "long", now=True),
            _field("request", "string", options=[f"GET {page} HTTP/1.1" for page in _PAGES]),
            _field("status", "int", options=[200, 200, 200, 200, 302, 404, 500]),
            _field("bytes", "int", range=_range(200, 20_000)),
            _field("agent", "string", options=["Firefox", "Chrome", "Safari", "curl"]),
        ),
        "ip",
    ),
    "clickstream_codes": Quickstart(
        {
            **_record("clickstream_codes", {"name": "code", "type": "int"}, {"name": "definition", "type": "string"}),
            ARGUMENTS: {"options": [{"code": code, "definition": words} for code, words in _CODES.items()]},
        },
        "code",
    ),
    "users": Quickstart(
        _record(
            "users",
            _field("registertime", "long", now=True),
            _field("userid", "string", regex="User_[1-9]"),
            _field("regionid", "string", options=_REGIONS),
            _field("gender", "string", options=["FEMALE", "MALE", "OTHER"]),
        ),
        "userid",
    ),
    "pageviews": Quickstart(
        _record(
            "pageviews",
            _field("viewtime", "long", now=True),
            _field("userid", "string", regex="User_[1-9]"),
            _field("pageid", "string", regex="Page_[1-9][0-9]"),
        ),
        "userid",
    ),
    "product": Quickstart(
        _record(
            "product",
            _field("id", "long", iteration={"start": 0}),
            _field("name", "string", options=_PRODUCTS),
            _field("description", "string", regex="[a-z]{4,9} and [a-z]{4,9}"),
            _field("price", "long", range=_range(2, 60)),
        ),
        "id",
    ),
    "inventory": Quickstart(
        _record(
            "inventory",
            _field("id", "long", iteration={"start": 0}),
            _field("quantity", "int", range=_range(-50, 150)),
            _field("productid", "long", range=_range(0, 50)),
        ),
        "id",
    ),
    "purchases": Quickstart(
        _record(
            "purchases",
            _field("id", "long", iteration={"start": 0}),
            _field("quantity", "long", range=_range(1, 12)),
            _field("productid", "long", range=_range(0, 50)),
            _field("total", "long", range=_range(5, 400)),
        ),
        "id",
    ),
    "stock_trades": Quickstart(
        _record(
            "stock_trades",
            _field("side", "string", options=["BUY", "SELL", "SHORT"]),
            _field("quantity", "int", range=_range(1, 4000)),
            _field("symbol", "string", options=["AAAA", "BRDG", "CRNR", "DLTA", "ELMS"]),
            _field("price", "int", range=_range(10, 900)),
            _field("account", "string", regex="[A-F]{3}[1-3]{3}"),
            _field("userid", "string", regex="User_[1-9]"),
        ),
        "symbol",
    ),
    "orders": Quickstart(
        _record(
            "orders",
            _field("ordertime", "long", now=True),
            _field("orderid", "int", iteration={"start": 1}),
            _field("itemid", "string", regex="Item_[1-9][0-9]{0,2}"),
            _field("orderunits", "double", range=_range(0.5, 10)),
            {
                "name": "address",
                "type": _record(
                    "address",
                    _field("city", "string", options=["Leeds", "York", "Ripon", "Whitby", "Ilkley"]),
                    _field("zipcode", "string", regex="LS[1-9] [1-9][A-Z]{2}"),
                ),
            },
        ),
        "orderid",
    ),
}
