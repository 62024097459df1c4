"""URLs."""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import lru_cache
from urllib.parse import quote_plus, unquote, unquote_plus

from penstock.functions.define import python_scalar

_URL = re.compile(r"(?:([A-Za-z][A-Za-z0-9+.-]*):)?(?://([^/?#]*))?([^?#]*)(?:\?([^#]*))?(?:#(.*))?", re.DOTALL)
_AUTHORITY = re.compile(r"(?:[^@]*@)?(\[[0-9A-Fa-f:.]+\]|[^:@\[\]]*)(?::(\d*))?")
_FORBIDDEN = re.compile(r"[\s<>\"{}|\\^`\x00-\x1f]|%(?![0-9A-Fa-f]{2})")


@dataclass(frozen=True, slots=True)
class Url:
    """The parts of a URL as RFC 3986 has them, still encoded; None where a part is missing."""

    protocol: str | None
    host: str | None
    port: int | None
    path: str
    query: str | None
    fragment: str | None


@lru_cache(maxsize=1024)
def parsed(text: str) -> Url | None:
    """The parts of a URL; None where the text is none."""
    found = None if _FORBIDDEN.search(text) else _URL.fullmatch(text)
    if found is None:
        return None
    protocol, authority, path, query, fragment = found.groups()
    server = _AUTHORITY.fullmatch(authority) if authority is not None else None
    host, port = server.groups() if server else (None, None)
    return Url(protocol, host or None, int(port) if port else None, path, query, fragment)


@python_scalar("URL_ENCODE_PARAM(text STRING) -> STRING")
def url_encode_param(text: str) -> str:
    """Text made fit for a parameter of a URL's query; a space becomes +.

    text: what to encode

    URL_ENCODE_PARAM('?foo $bar') -> '%3Ffoo+%24bar'
    """
    return quote_plus(text, safe="*").replace("~", "%7E")


@python_scalar("URL_DECODE_PARAM(text STRING) -> STRING")
def url_decode_param(text: str) -> str:
    """The text that a parameter of a URL's query stands for: the opposite of URL_ENCODE_PARAM.

    text: what to decode

    URL_DECODE_PARAM('url%20encoded') -> 'url encoded'
    """
    if re.search(r"%(?![0-9A-Fa-f]{2})", text):
        raise ValueError(f"{text!r} has a % without two hexadecimal digits")
    return unquote_plus(text)


@python_scalar("URL_EXTRACT_FRAGMENT(url STRING) -> STRING")
def url_extract_fragment(text: str) -> str | None:
    """What stands behind the # of a URL, decoded; NULL where nothing does or the text is no URL.

    url: the URL

    URL_EXTRACT_FRAGMENT('http://test.com#frag%20space') -> 'frag space'
    """
    url = parsed(text)
    return unquote(url.fragment) if url and url.fragment is not None else None


@python_scalar("URL_EXTRACT_HOST(url STRING) -> STRING")
def url_extract_host(text: str) -> str | None:
    """The name of a URL's host; NULL where it has none or the text is no URL.

    url: the URL

    URL_EXTRACT_HOST('http://test.com:8080/path') -> 'test.com'
    """
    url = parsed(text)
    return url.host if url else None


@python_scalar("URL_EXTRACT_PARAMETER(url STRING, name STRING) -> STRING")
def url_extract_parameter(text: str, name: str) -> str | None:
    """The value of a parameter in a URL's query, decoded; NULL where it is missing or has no value, or the text is no URL.

    url: the URL
    name: the parameter, not encoded

    URL_EXTRACT_PARAMETER('http://test.com?a%20b=c%20d', 'a b') -> 'c d'
    """
    url = parsed(text)
    for pair in (url.query or "").split("&") if url else ():
        key, equals, value = pair.partition("=")
        if equals and unquote_plus(key) == name:
            return unquote_plus(value)
    return None


@python_scalar("URL_EXTRACT_PATH(url STRING) -> STRING")
def url_extract_path(text: str) -> str | None:
    """The path of a URL, decoded; empty where it has none, NULL where the text is no URL.

    url: the URL

    URL_EXTRACT_PATH('http://test.com/path/to#a') -> '/path/to'
    """
    url = parsed(text)
    return unquote(url.path) if url else None


@python_scalar("URL_EXTRACT_PORT(url STRING) -> INTEGER")
def url_extract_port(text: str) -> int | None:
    """The port that a URL names; NULL where it names none or the text is no URL.

    url: the URL

    URL_EXTRACT_PORT('http://localhost:8080/path') -> 8080
    """
    url = parsed(text)
    return url.port if url else None


@python_scalar("URL_EXTRACT_PROTOCOL(url STRING) -> STRING")
def url_extract_protocol(text: str) -> str | None:
    """The protocol of a URL; NULL where it has none or the text is no URL.

    url: the URL

    URL_EXTRACT_PROTOCOL('http://test.com?a=foo') -> 'http'
    """
    url = parsed(text)
    return url.protocol if url else None


@python_scalar("URL_EXTRACT_QUERY(url STRING) -> STRING")
def url_extract_query(text: str) -> str | None:
    """The query of a URL, decoded; NULL where it has none or the text is no URL.

    url: the URL

    URL_EXTRACT_QUERY('http://test.com?a=foo%20bar&b=baz') -> 'a=foo bar&b=baz'
    """
    url = parsed(text)
    return unquote(url.query) if url and url.query is not None else None
