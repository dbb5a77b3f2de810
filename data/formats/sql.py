"""Streams the rows of an SQL query from any database that SQLAlchemy reaches, read-only, all as text.

The address is an SQLAlchemy URL, the database's driver has to be installed (that of SQLite is). A password had better
not stand in the URL: PostgreSQL takes PGPASSWORD or ~/.pgpass. It is in no message. Not for what columns mean.
"""

from __future__ import annotations

import contextlib
import hashlib
import re
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import pyarrow as pa
import sqlalchemy
from sqlalchemy.engine import URL, Connection, CursorResult
from sqlalchemy.exc import ArgumentError, NoSuchModuleError, SQLAlchemyError

from crossward.config.notes_settings import NotesConfig
from data.csv_files import match_columns
from data.errors import DataError
from data.formats.form import Form
from data.formats.gathered import gathered
from data.quarantine import Intake

_ROWS = 2048  # fetched at once
_READ_ONLY = {
    "mysql": "SET TRANSACTION READ ONLY",
    "mariadb": "SET TRANSACTION READ ONLY",
    "oracle": "SET TRANSACTION READ ONLY",
}
_BEGINS = re.compile(r"(?is)\A(?:\s|--[^\n]*\n|/\*.*?\*/|\()*(?:select|with|table|values)\b")


def stream_sql(notes: NotesConfig, wanted: Sequence[str], form: Form, intake: Intake) -> Iterator[pa.Table]:
    """Pieces of the rows of ``notes.query`` with the ``wanted`` columns, fetched as they are read.

    Raises
    ------
    DataError
        the database cannot be reached, the query fails, does not only read, or lacks a column.
    """
    intake.unit = "row"
    with _result(notes) as (shown, result):
        names = list(result.keys())
        match_columns(shown, names, wanted)
        yield from gathered(_rows(result, names), wanted, form, intake)


def fingerprint(notes: NotesConfig) -> str:
    """A hash of the rows of the query as they are now: no time of change says that a database has other rows."""
    hashed = hashlib.blake2b(digest_size=16)
    with _result(notes) as (_, result):
        for rows in result.partitions(_ROWS):
            hashed.update(repr([tuple(row) for row in rows]).encode("utf-8", "surrogatepass"))
    return hashed.hexdigest()


def shown(path: str) -> str:
    """The address of a database without its password."""
    return str(_url(path).render_as_string(hide_password=True))


def source_path(notes: NotesConfig) -> Path:
    """What stands for the path of a database in counts and messages."""
    return Path(_url(notes.path).database or "database")


def _rows(result: CursorResult[Any], names: Sequence[str]) -> Iterator[tuple[int, Mapping[str, Any]]]:
    for number, row in enumerate(result, 1):
        yield number, dict(zip(names, row, strict=True))


def _url(path: str) -> URL:
    try:
        return sqlalchemy.make_url(path)
    except ArgumentError:
        raise DataError(
            "path of the notes is no address of a database: dialect+driver://user@host/database was expected, or "
            "sqlite:////folder/file"
        ) from None


def _read_only_sqlite(url: URL) -> URL:
    """The same file, opened so that nothing can be written, and that none is made where there is none."""
    if not url.database or not Path(url.database).is_file():
        raise DataError(f"{url.render_as_string()}: no such database file.")
    return url.set(database=f"file:{Path(url.database).absolute()}", query={"mode": "ro", "uri": "true"})


@contextlib.contextmanager
def _result(notes: NotesConfig) -> Iterator[tuple[str, CursorResult[Any]]]:
    """The rows of the query, in a transaction that is rolled back, and the address to name in messages."""
    url = _url(notes.path)
    name = url.render_as_string(hide_password=True)
    if not _BEGINS.match(notes.query):
        raise DataError(f"{name}: query of the notes has to be one that reads: SELECT ... was expected.")
    try:
        url = _read_only_sqlite(url) if url.get_backend_name() == "sqlite" else url
        engine = sqlalchemy.create_engine(url, poolclass=sqlalchemy.NullPool)
        with engine.connect() as connection, _rolled_back(connection):
            yield name, _run(connection, notes.query)
    except (NoSuchModuleError, ModuleNotFoundError):
        raise DataError(
            f"{name}: the driver of this database is not installed. Install it into this environment, for PostgreSQL "
            "`pip install psycopg[binary]` with postgresql+psycopg:// in the address."
        ) from None
    except SQLAlchemyError as error:
        raise DataError(f"{name}: {_why(error)}. Check the address, the account's rights and the query.") from None


@contextlib.contextmanager
def _rolled_back(connection: Connection) -> Iterator[None]:
    try:
        yield
    finally:
        with contextlib.suppress(SQLAlchemyError):
            connection.rollback()


def _run(connection: Connection, query: str) -> CursorResult[Any]:
    dialect = connection.dialect.name
    if dialect == "postgresql":
        connection = connection.execution_options(postgresql_readonly=True)
    elif statement := _READ_ONLY.get(dialect):
        connection.exec_driver_sql(statement)
    connection = connection.execution_options(stream_results=True, yield_per=_ROWS)
    # a colon in a query is not the name of a parameter: there are none
    return connection.execute(sqlalchemy.text(re.sub(r"(?<!:):(?=\w)", r"\:", query.strip().rstrip(";"))))


def _why(error: SQLAlchemyError) -> str:
    """The database's kind of error and its code; its text may repeat a row."""
    original = getattr(error, "orig", None)
    code = getattr(original, "sqlstate", None) or getattr(original, "sqlite_errorname", None)
    kind = type(original or error).__name__
    return f"the database answered {kind}{f' ({code})' if code else ''}"
