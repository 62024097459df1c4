"""State stores: ordered bytes in a transaction."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from penstock.errors import StorageError
from penstock.log import open_log
from penstock.log.protocol import Log


def test_values_come_in_the_order_of_the_keys(log: Log, topic_name: Callable[[], str]) -> None:
    name = topic_name()
    with log.begin() as transaction:
        store = transaction.state(name)
        assert store.get_many([b"a"]) == [None]
        store.put_many([(b"b", b"2"), (b"a", b"1"), (b"", b"empty"), (b"\xff" * 500, b"long")])
        assert store.get_many([b"b", b"x", b"a", b"", b"\xff" * 500]) == [b"2", None, b"1", b"empty", b"long"]
        store.put_many([(b"a", b"3"), (b"a", b"4")])
        store.delete_many([b"b", b"nothing"])
        assert transaction.state(name).get_many([b"a", b"b"]) == [b"4", None]
    with log.snapshot() as snapshot:
        assert snapshot.state(name).get_many([b"a", b"b"]) == [b"4", None]
        assert snapshot.state(name).count() == 3
        assert snapshot.state("never-" + name).count() == 0
        assert list(snapshot.state("never-" + name).scan()) == []


def test_scanning_is_in_key_order_within_bounds(log: Log, topic_name: Callable[[], str]) -> None:
    name = topic_name()
    with log.begin() as transaction:
        store = transaction.state(name)
        for other in ("0" + name, name + "0"):
            transaction.state(other).put_many([(b"\x00", b"other"), (b"\xff" * 3, b"other")])
        items = [(bytes([i]), b"%d" % i) for i in (0, 5, 7, 200, 255)]
        store.put_many(items[::-1])
        assert list(store.scan()) == items
        assert list(store.scan(reverse=True)) == items[::-1]
        assert list(store.scan(b"\x05", b"\xc8")) == items[1:3]
        assert list(store.scan(b"\x05", b"\xc8", reverse=True)) == items[1:3][::-1]
        assert list(store.scan(b"\x06")) == items[2:]
        assert list(store.scan(end=b"\x05")) == items[:1]
        assert list(store.scan(b"\x08", b"\x07")) == []


def test_clearing_leaves_the_other_stores(log: Log, topic_name: Callable[[], str]) -> None:
    one, two = topic_name(), topic_name()
    with log.begin() as transaction:
        for name in (one, two):
            transaction.state(name).put_many([(b"%d" % i, b"v") for i in range(100)])
    with log.begin() as transaction:
        transaction.state(one).clear()
        assert transaction.state(one).count() == 0
        assert transaction.state(two).count() == 100
        transaction.state(one).put_many([(b"again", b"v")])
        assert list(transaction.state(one).scan()) == [(b"again", b"v")]
    with log.begin() as transaction:
        transaction.state(one).clear()
        transaction.state(one).delete_many([b"again"])
        transaction.state(one).clear()
    with log.snapshot() as snapshot:
        assert snapshot.state(one).count() == 0
        with pytest.raises(StorageError, match="for reading"):
            snapshot.state(two).clear()
        with pytest.raises(StorageError, match="for reading"):
            snapshot.state(two).delete_range(b"", b"9")


def test_any_name_and_many_stores(log: Log, topic_name: Callable[[], str]) -> None:
    names = [topic_name() + name for name in ("", "ä/\x00 b", "x" * 400, "x" * 2000, "x" * 1999 + "y", *map(str, range(300)))]
    with log.begin() as transaction:
        for name in names:
            transaction.state(name).put_many([(b"k", name.encode())])
    with log.snapshot() as snapshot:
        assert [snapshot.state(name).get_many([b"k"]) for name in names] == [[name.encode()] for name in names]


def test_stores_go_by_the_beginning_of_their_names(log: Log, topic_name: Callable[[], str]) -> None:
    query = topic_name()
    names = [f"{query}/{name}" for name in ("a", "b", "x" * 2000)]
    with log.begin() as transaction:
        for name in (*names, query + "0/a"):
            transaction.state(name).put_many([(b"k", b"v")])
    log.delete_states(query + "/")
    log.delete_states(query + "/")
    with log.snapshot() as snapshot:
        assert [snapshot.state(name).count() for name in names] == [0, 0, 0]
        assert snapshot.state(query + "0/a").count() == 1


def test_a_key_too_long_is_told(log: Log, topic_name: Callable[[], str]) -> None:
    name = topic_name()
    with log.begin() as transaction:
        store = transaction.state(name)
        store.put_many([(b"x" * 500, b"")])
        with pytest.raises(StorageError, match="too long for state"):
            store.put_many([(b"x" * 600, b"")])
        store.delete_many([b"x" * 600])
        assert store.get_many([b"x" * 600]) == [None]
    with log.snapshot() as snapshot:
        assert snapshot.state(name).count() == 1


step = st.one_of(
    st.tuples(st.just("put"), st.lists(st.tuples(st.binary(max_size=3), st.binary(max_size=3)))),
    st.tuples(st.just("delete"), st.lists(st.binary(max_size=3))),
    st.tuples(st.just("delete range"), st.lists(st.binary(max_size=2), min_size=2, max_size=2)),
    st.tuples(st.just("clear"), st.none()),
    st.tuples(st.just("commit"), st.none()),
    st.tuples(st.just("abort"), st.none()),
)


@settings(deadline=None, max_examples=50)
@given(st.lists(step, max_size=20), st.binary(max_size=2), st.binary(max_size=2))
def test_a_store_is_a_sorted_dict(steps: list[tuple[str, list[object]]], start: bytes, end: bytes) -> None:
    log = open_log(None)
    committed: dict[bytes, bytes] = {}
    model = dict(committed)
    block = log.begin()
    transaction = block.__enter__()
    store = transaction.state("s")
    for kind, given_ in steps:
        if kind == "put":
            store.put_many(given_)  # type: ignore[arg-type]
            model.update(given_)  # type: ignore[arg-type]
        elif kind == "delete":
            store.delete_many(given_)  # type: ignore[arg-type]
            for key in given_:
                model.pop(key, None)  # type: ignore[call-overload]
        elif kind == "delete range":
            low, high = given_
            store.delete_range(low, high)  # type: ignore[arg-type]
            model = {key: value for key, value in model.items() if not low <= key < high}  # type: ignore[operator]
        elif kind == "clear":
            store.clear()
            model.clear()
        else:
            if kind == "commit":
                block.__exit__(None, None, None)
                committed = dict(model)
            else:
                block.__exit__(RuntimeError, RuntimeError("undone"), None)
                model = dict(committed)
            block = log.begin()
            transaction = block.__enter__()
            store = transaction.state("s")
        assert list(store.scan()) == sorted(model.items())
        assert store.count() == len(model)
        assert list(store.scan(start, end)) == [(k, v) for k, v in sorted(model.items()) if start <= k < end]
        assert list(store.scan(start, end, reverse=True)) == [(k, v) for k, v in sorted(model.items(), reverse=True) if start <= k < end]
    block.__exit__(None, None, None)
    log.close()
