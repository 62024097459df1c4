"""Which files connectors may touch."""

from __future__ import annotations

from pathlib import Path

import pytest

import penstock
from penstock.connect.folders import Folders
from penstock.connect.options import Option
from penstock.connect.secrets import Secrets
from penstock.errors import ConfigError


def test_below_the_allowed_folders_alone(tmp_path: Path) -> None:
    inside, outside = tmp_path / "in", tmp_path / "out"
    inside.mkdir()
    outside.mkdir()
    (inside / "link").symlink_to(outside)
    (outside / "back").symlink_to(inside)
    folders = Folders([inside])
    assert folders.path(f"{inside}/a/b.txt", "file") == inside / "a" / "b.txt"
    assert folders.path(f"{outside}/back/x", "file") == inside / "x"
    assert folders.path(str(inside), "file") == inside
    for text in (f"{inside}/link/x", f"{inside}/../out/x", f"{inside}x", str(outside), "/etc/passwd", "x"):
        with pytest.raises(ConfigError, match=r"'file' names .* outside the folders .*connector\.file\.allowed\.paths"):
            folders.path(text, "file")
    for text in ("", " ", "a\0b"):
        with pytest.raises(ConfigError, match="names no file"):
            folders.path(text, "file")
    with pytest.raises(ConfigError, match="no folder"):
        Folders().path("x", "file")


def test_relative_paths_start_at_the_base(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert Folders([tmp_path], base=tmp_path).path("a.txt", "file") == tmp_path / "a.txt"
    monkeypatch.chdir(tmp_path)
    assert Folders([tmp_path]).path("a.txt", "file") == tmp_path / "a.txt"


def test_a_database_keeps_its_own_files_to_itself(tmp_path: Path) -> None:
    home = tmp_path / "db"
    folders = Folders([tmp_path, home / "files"], barred=[home], base=tmp_path)
    assert folders.path("db/files/x", "file") == home / "files" / "x"
    assert folders.path("x", "file") == tmp_path / "x"
    for text in ("db/data.mdb", "db/secrets/x", "db", "db/files/../x"):
        with pytest.raises(ConfigError, match="outside the folders"):
            folders.path(text, "file")
    with pytest.raises(ConfigError, match="outside the folders"):
        Folders([home], barred=[home]).path(f"{home}/x", "file")


def test_an_option_that_is_a_path(tmp_path: Path) -> None:
    option = Option("file", "path", "A file.")
    assert option.parse("x", Secrets(files=Folders([tmp_path], base=tmp_path))) == tmp_path / "x"
    with pytest.raises(ConfigError, match="'file' names"):
        option.parse(str(tmp_path), Secrets())


def test_a_database_hands_its_folders_to_connectors(tmp_path: Path) -> None:
    script = tmp_path / "scripts" / "s.sql"
    script.parent.mkdir()
    script.write_text("SHOW TOPICS;")
    allowed = tmp_path / "allowed"
    with penstock.connect(tmp_path / "db", properties={"connector.file.allowed.paths": f"{allowed}, "}) as db:
        db.execute(f"SET 'connector.file.allowed.paths' = '{tmp_path}';")
        make = db.connectors._worker.make_secrets
        for text in (f"{allowed}/x", f"{tmp_path}/db/files/x"):
            assert str(make(None).files.path(text, "file")) == text
        for text in (f"{tmp_path}/x", f"{tmp_path}/db/x", f"{script.parent}/x"):
            with pytest.raises(ConfigError, match="outside"):
                make(None).files.path(text, "file")
        assert db.script_folder is None
        with db.script(script):
            assert db.script_folder == script.parent
            assert make(db.script_folder).files.path("x", "file") == script.parent / "x"
        assert db.script_folder is None
