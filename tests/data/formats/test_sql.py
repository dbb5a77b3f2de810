"""A query reads as a file does: from SQLite, and from a PostgreSQL of the test's own where it is installed."""

from __future__ import annotations

import logging
import os
import shutil
import sqlite3
import subprocess
from collections.abc import Iterator
from pathlib import Path

import psycopg
import pytest

from data import DataConfig, DataError, load_hospital
from data.notes_file import notes_file
from data.own_notes import described as read
from data.sources import place

TOML = """
source = "sql"
path = "{url}"
query = "{query}"
[columns]
text = "body"
patient = "pid"
"""
QUERY = "SELECT pid, body, ':x' AS colon FROM notes WHERE body LIKE '%note%' -- those: all"


def described(folder: Path, url: str, query: str = QUERY) -> DataConfig:
    (folder / "notes.toml").write_text(TOML.format(url=url, query=query))
    return DataConfig(source="own", path=str(folder))


@pytest.fixture
def sqlite(tmp_path: Path) -> Path:
    path = tmp_path / "clinic.db"
    with sqlite3.connect(path) as database:
        database.execute("CREATE TABLE notes (pid, body)")
        database.executemany("INSERT INTO notes VALUES (?, ?)", [(i // 2, f"note {i}") for i in range(20)])
        database.execute("INSERT INTO notes VALUES (NULL, 'a note of nobody')")
    return path


def test_rows_of_sqlite(tmp_path: Path, sqlite: Path) -> None:
    found = load_hospital(described(tmp_path, f"sqlite:///{sqlite}"))
    assert {*found.train["patient_id"], *found.test["patient_id"]} == {str(i) for i in range(10)}
    assert len(found.train) + len(found.test) == 20 and found.name == "clinic"


def test_a_changed_table_is_read_again(tmp_path: Path, sqlite: Path) -> None:
    config = described(tmp_path, f"sqlite:///{sqlite}")
    first = len(load_hospital(config).train)
    assert len(load_hospital(config).train) == first
    with sqlite3.connect(sqlite) as database:
        database.executemany("INSERT INTO notes VALUES (?, ?)", [(i, f"another note {i}") for i in range(10)])
    found = load_hospital(config)
    assert len(found.train) + len(found.test) == 30


@pytest.mark.parametrize(
    ("url", "query", "said"),
    [
        ("sqlite:///{path}", "DELETE FROM notes", "has to be one that reads"),
        ("sqlite:///{path}", "WITH x AS (SELECT 1) DELETE FROM notes", "the database answered OperationalError"),
        ("sqlite:///{path}", "SELECT nothing FROM notes", "the database answered OperationalError"),
        ("sqlite:///{path}", "SELECT 1 AS body", "has no column 'pid'"),
        ("sqlite:///{path}.none", QUERY, "no such database file"),
        ("no address", QUERY, "no address of a database"),
        ("nosuch://u:secret@h/d", QUERY, "driver of this database is not installed"),
        ("postgresql+psycopg://u:secret@127.0.0.1:1/d", QUERY, "the database answered OperationalError"),
    ],
)
def test_what_cannot_be_read_is_refused_without_the_password(
    tmp_path: Path, sqlite: Path, caplog: pytest.LogCaptureFixture, url: str, query: str, said: str
) -> None:
    caplog.set_level(logging.DEBUG)
    with pytest.raises(DataError, match=said) as error:
        load_hospital(described(tmp_path, url.format(path=sqlite), query))
    assert "secret" not in str(error.value) + caplog.text
    assert not (tmp_path / "clinic.db.none").exists()
    with sqlite3.connect(sqlite) as database:
        assert database.execute("SELECT count(*) FROM notes").fetchone() == (21,)


def _programs() -> Path | None:
    """Where PostgreSQL's programs are."""
    found = shutil.which("initdb")
    places = [Path(found).resolve().parent] if found else sorted(Path("/usr/lib/postgresql").glob("*/bin"))
    return places[-1] if places else None


@pytest.fixture(scope="module")
def postgres(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The URL of a PostgreSQL that listens on a socket in a folder of its own."""
    programs = _programs()
    if programs is None:
        pytest.skip("needs PostgreSQL's initdb and pg_ctl")
    folder = Path(tmp_path_factory.mktemp("pg"))
    # it refuses to run as root: then as the account that its package makes
    account = ["runuser", "-u", "postgres", "--"] if os.geteuid() == 0 else []
    if account:
        home = folder = Path(shutil.copytree(folder, f"/tmp/crossward-test-pg-{os.getpid()}"))
        if subprocess.run(["chown", "-R", "postgres", str(home)], capture_output=True).returncode:
            pytest.skip("needs an account 'postgres', as the tests run as root")
    environment = {**os.environ, "LC_ALL": "C.UTF-8"}

    def run(*command: str) -> None:
        subprocess.run([*account, *command], check=True, capture_output=True, timeout=120, env=environment, cwd=folder)

    try:
        run(f"{programs}/initdb", "-D", f"{folder}/data", "-U", "clinic", "--auth=trust", "--no-sync", "-E", "UTF8")
        options = f"-c listen_addresses='' -c unix_socket_directories={folder} -c fsync=off"
        run(f"{programs}/pg_ctl", "-D", f"{folder}/data", "-w", "-l", f"{folder}/log", "-o", options, "start")
        try:
            yield f"postgresql+psycopg://clinic:secret@/postgres?host={folder}"
        finally:
            run(f"{programs}/pg_ctl", "-D", f"{folder}/data", "-m", "immediate", "stop")
    finally:
        if account:
            shutil.rmtree(folder, ignore_errors=True)


def test_rows_of_postgresql(tmp_path: Path, postgres: str, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG)
    with psycopg.connect(postgres.replace("+psycopg", "")) as database:
        database.execute("CREATE TABLE notes (pid bigint, body text, cost numeric, at timestamptz)")
        database.execute("INSERT INTO notes SELECT i / 2, 'note ' || i, 1.50, now() FROM generate_series(0, 5999) i")
        database.execute("CREATE SEQUENCE counter")
    config = described(tmp_path, postgres, QUERY.replace("pid,", "pid::text, cost::numeric,"))
    folder = notes_file_of(config)
    assert (folder / "counts.json").read_text() == '{"read": 6000, "kept": 6000}'
    with pytest.raises(DataError, match=r"answered ReadOnlySqlTransaction \(25006\)"):
        notes_file_of(described(tmp_path, postgres, "SELECT nextval('counter') AS pid, 'note' AS body"))
    with pytest.raises(DataError, match=r"answered UndefinedTable \(42P01\)"):
        notes_file_of(described(tmp_path, postgres, "SELECT pid, body FROM letters"))
    with pytest.raises(DataError, match="1 patient cannot be split") as error:
        load_hospital(described(tmp_path, postgres, "SELECT 1 AS pid, 'note' AS body"))
    assert "secret" not in caplog.text + str(error.value)


def notes_file_of(config: DataConfig) -> Path:
    found = read(config, Path(config.path))
    return notes_file(place(found), found)
