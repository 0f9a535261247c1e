"""SQL over files: CSV, Parquet, JSON and SQLite, by DuckDB.

The query runs in the sandbox, in a copy of this process that can read the process's folder and
nothing else, and write nothing: what DuckDB itself would let through, it cannot reach.
"""

from __future__ import annotations

import json
import os
import urllib.parse
from contextlib import suppress
from typing import TYPE_CHECKING, Annotated, Any

from pydantic import Field

from ..syscalls import Context, syscall
from ..syscalls.beneath import Beneath
from ..syscalls.errno import EAGAIN, EINVAL, EIO, ENOMEM, ETIME, from_code
from ..syscalls.sandbox import Bounds, call

if TYPE_CHECKING:
    import sqlite3

    import duckdb

MAX_ROWS = 1000
MAX_CELL = 200
MAX_SQLITE_ROWS = 1_000_000
MAX_SECONDS = 60
MEMORY_MB = 1024
ZONE = "UTC"

_OUTSIDE = ("Permission denied", "Operation not permitted", "Read-only file system")
_SETTINGS = """
    SET autoinstall_known_extensions = false;
    SET autoload_known_extensions = false;
    SET allow_community_extensions = false;
    SET python_enable_replacements = false;
    SET temp_directory = '';
    SET TimeZone = 'UTC';
    SET lock_configuration = true;
"""


@syscall(needs="fs.read", effect="pure", timeout=MAX_SECONDS + 15, listed=False)
def query_data(
    ctx: Context,
    query: str,
    sqlite: str = "",
    rows: Annotated[int, Field(ge=1, le=MAX_ROWS)] = 100,
    timeout: Annotated[float, Field(gt=0, le=MAX_SECONDS)] = 20,
) -> str:
    """Ask a question in SQL about data files; nothing can be changed.

    A CSV, Parquet or JSON file is a table by its name in quotes:
    `SELECT city, count(*) FROM 'people.csv' GROUP BY city`. `DESCRIBE FROM 'people.csv'` tells
    its columns, `FROM glob('**')` the files. Of a SQLite database, tables go by their own names.

    Args:
        query: One statement in the dialect of DuckDB, which is much like PostgreSQL's.
        sqlite: A SQLite file; `SHOW TABLES` tells its tables.
        rows: How many rows to show.
        timeout: Seconds after which it is stopped.
    """
    # Everything that the copy needs: it can import nothing.
    import datetime  # noqa: F401
    import decimal  # noqa: F401
    import sqlite3  # noqa: F401
    import uuid  # noqa: F401
    import zoneinfo

    import duckdb  # noqa: F401
    import numpy  # noqa: F401

    utc = zoneinfo.ZoneInfo(ZONE)  # and keep it until the copy is made
    if sqlite:
        with Beneath(ctx.root) as root, root.open(sqlite):
            sqlite = root.relative(sqlite)
    bounds = Bounds(timeout_s=timeout, memory_bytes=MEMORY_MB << 20, output_bytes=1 << 20)
    ended = call(lambda: json.dumps(_asked(query, sqlite, rows)).encode(), ctx.root, bounds=bounds)
    del utc
    if "longer" in ended.stopped:
        raise ETIME(f"the query ran longer than {timeout:g} s", hint="ask for less at once")
    if ended.stopped:
        raise ENOMEM(f"the query was stopped: {ended.stopped}", hint="ask for less at once")
    try:
        told = json.loads(ended.output)
    except ValueError:
        words = ended.output.decode(errors="replace").strip()[-MAX_CELL:]
        raise EIO(f"the query broke off ({ended.status}): {words}") from None
    if "code" in told:
        raise from_code(told["code"], told["text"], told["hint"])
    return str(told["text"])


# ---- in the copy --------------------------------------------------------------------------


def _asked(query: str, sqlite: str, rows: int) -> dict[str, str]:
    import duckdb

    connection = duckdb.connect(":memory:", config={"threads": 2, "memory_limit": "512MB"})
    try:
        if sqlite:
            _take_in(connection, sqlite, query)
        connection.execute(_SETTINGS)
        statements = connection.extract_statements(query)
        if len(statements) != 1:
            return _error("EINVAL", f"query: expected one statement, got {len(statements)}")
        result = connection.execute(statements[0])
        found = result.fetchmany(rows + 1)
        columns = [column[0] for column in result.description or ()]
        return {"text": _table(columns, found, rows)}
    except (EAGAIN, EINVAL) as error:
        return _error(error.code, error.message, error.hint)
    except duckdb.PermissionException as error:
        return _error("EPERM", _first_line(error))
    except duckdb.OutOfMemoryException as error:
        return _error("ENOMEM", _first_line(error))
    except duckdb.IOException as error:
        text = _first_line(error)
        outside = any(words in text for words in _OUTSIDE)
        return _error("EPERM" if outside else "EIO", text)
    except duckdb.Error as error:
        return _error("EINVAL", str(error)[:2000])


def _error(code: str, text: str, hint: str = "") -> dict[str, str]:
    return {"code": code, "text": text, "hint": hint}


def _first_line(error: Exception) -> str:
    return str(error).splitlines()[0]


def _take_in(connection: duckdb.DuckDBPyConnection, path: str, query: str) -> None:
    """Tables of a SQLite file, in memory: those that the query names. DuckDB's own reader of them
    is an extension, which would have to be downloaded."""
    import sqlite3

    import duckdb

    try:
        file, names = _open(path)
        try:
            wanted = {
                name.rpartition(".")[2].strip('"').lower()
                for name in connection.get_table_names(query)
            }
        except duckdb.Error:  # a statement that names no tables, as SHOW
            wanted = set()
        for name in sorted(names):
            _copy(connection, file, name, empty=name.lower() not in wanted)
    except sqlite3.Error as error:
        raise EINVAL(f"{path} cannot be read as a SQLite file: {error}") from None


def _open(path: str) -> tuple[sqlite3.Connection, set[str]]:
    """The file and its tables. A log beside it holds what the file does not, and could be read by
    whoever may write alone: better no answer than an old one."""
    import sqlite3

    with suppress(OSError):
        if os.stat(f"{path}-wal").st_size:
            raise EAGAIN(
                f"{path} is open in another program, and what it wrote last is in its log",
                hint="close the other program, or let it PRAGMA wal_checkpoint(TRUNCATE)",
            )
    file = sqlite3.connect(f"file:{urllib.parse.quote(path)}?mode=ro&immutable=1", uri=True)
    tables = file.execute(
        "SELECT name FROM sqlite_master WHERE type IN ('table', 'view')"
        " AND name NOT LIKE 'sqlite_%'"
    )
    return file, {str(name) for (name,) in tables}


def _copy(
    connection: duckdb.DuckDBPyConnection, file: sqlite3.Connection, name: str, *, empty: bool
) -> None:
    import numpy

    quoted = '"' + name.replace('"', '""') + '"'
    limit = 0 if empty else MAX_SQLITE_ROWS + 1
    cursor = file.execute(f"SELECT * FROM {quoted} LIMIT {limit}")
    columns = [column[0] for column in cursor.description]
    rows = cursor.fetchall()
    if len(rows) > MAX_SQLITE_ROWS:
        raise EINVAL(f"the table {name} has more than {MAX_SQLITE_ROWS} rows")
    if not rows:
        shape = ", ".join('"' + one.replace('"', '""') + '" VARCHAR' for one in columns)
        connection.execute(f"CREATE TABLE {quoted} ({shape})")
        return
    arrays = {}
    for column, values in zip(columns, zip(*rows, strict=True), strict=True):
        array = numpy.empty(len(values), dtype=object)
        array[:] = _alike(values)
        arrays[column] = array
    connection.register("llmos_rows", arrays)
    connection.execute(f"CREATE TABLE {quoted} AS SELECT * FROM llmos_rows")
    connection.unregister("llmos_rows")


def _alike(values: tuple[Any, ...]) -> list[Any]:
    """Of one type, which SQLite does not ask for: numbers stay numbers if all are."""
    kinds = {type(value) for value in values if value is not None}
    if kinds <= {int, float} or len(kinds) == 1:
        return list(values)
    return [value if value is None else str(value) for value in values]


def _table(columns: list[str], found: list[tuple[Any, ...]], rows: int) -> str:
    if not columns:
        return "done"
    lines = [
        " | ".join(map(_cell, columns)),
        *(" | ".join(map(_cell, row)) for row in found[:rows]),
    ]
    count = f"{len(found)} row{'' if len(found) == 1 else 's'}"
    more = f"(the first {rows} rows; there are more)" if len(found) > rows else f"({count})"
    return "\n".join([*lines, more])


def _cell(value: object) -> str:
    text = "NULL" if value is None else str(value).replace("\n", "\\n")
    return text if len(text) <= MAX_CELL else text[: MAX_CELL - 1] + "…"
