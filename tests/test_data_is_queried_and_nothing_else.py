"""SQL reads the data files of a process's folder, and nothing else; it changes nothing."""

from __future__ import annotations

import sqlite3
from pathlib import Path

import pytest

from llmos.plugins.sql import MAX_CELL, query_data
from llmos.syscalls import Context, SyscallError, sandbox
from llmos.syscalls.sandbox import Level, landlock
from llmos.syscalls.sandbox.box import BoxError
from simulation import Machine, live_really
from talking import call

if not landlock.abi():
    pytest.skip("this machine has no Landlock", allow_module_level=True)


@pytest.fixture(params=list(Level))
def level(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> Level:
    found: Level = request.param
    try:
        sandbox._try(found)
    except BoxError as error:
        pytest.skip(str(error))
    monkeypatch.setattr(sandbox, "level", lambda: found)
    return found


@pytest.fixture
def ctx(tmp_path: Path) -> Context:
    root = tmp_path / "root"
    root.mkdir()
    (root / "people.csv").write_text("name,city,age\nAda,London,36\nBob,Paris,40\nCid,London,\n")
    (root / "pets.json").write_text('[{"pet": "cat", "owner": "Ada"}]')
    with sqlite3.connect(root / "shop.db") as shop:
        shop.execute("CREATE TABLE orders (id INTEGER, who TEXT, price REAL, note)")
        shop.executemany(
            "INSERT INTO orders VALUES (?, ?, ?, ?)",
            [(1, "Ada", 9.5, None), (2, "Bob", 0.5, "late"), (3, "Ada", 1.0, 7)],
        )
        shop.execute('CREATE TABLE "odd ""name" (x)')
        shop.execute("CREATE VIEW cheap AS SELECT * FROM orders WHERE price < 5")
    shop.close()
    (tmp_path / "secret.csv").write_text("word\nsesame\n")
    (root / "planted.csv").symlink_to(tmp_path / "secret.csv")
    return Context(pid=3, call_id="c1", root=root)


def failing(ctx: Context, query: str, **named: object) -> SyscallError:
    with pytest.raises(SyscallError) as caught:
        query_data(ctx, query, **named)  # type: ignore[arg-type]
    return caught.value


def test_files_are_tables(ctx: Context, level: Level) -> None:
    told = query_data(ctx, "SELECT city, count(*) AS n FROM 'people.csv' GROUP BY city ORDER BY n")
    assert told == "city | n\nParis | 1\nLondon | 2\n(2 rows)"
    join = "SELECT age FROM 'people.csv' JOIN 'pets.json' ON name = owner"
    assert query_data(ctx, join) == "age\n36\n(1 row)"
    assert "age | BIGINT" in query_data(ctx, "DESCRIBE FROM 'people.csv'")
    assert query_data(ctx, f"SELECT age FROM '{ctx.root}/people.csv' WHERE name = 'Cid'") == (
        "age\nNULL\n(1 row)"
    )


def test_parquet_files_are_tables(ctx: Context, level: Level) -> None:
    import duckdb

    duckdb.connect().execute(f"COPY (SELECT 42 AS answer) TO '{ctx.root}/a.parquet'")
    assert query_data(ctx, "FROM 'a.parquet'") == "answer\n42\n(1 row)"


def test_tables_of_sqlite_go_by_their_names(ctx: Context, level: Level) -> None:
    def ask(query: str) -> list[str]:
        return query_data(ctx, query, sqlite="shop.db").splitlines()

    assert ask("SHOW TABLES") == ["name", "cheap", 'odd "name', "orders", "(3 rows)"]
    total = "SELECT who, sum(price) FROM orders GROUP BY who ORDER BY who"
    assert ask(total)[1:] == ["Ada | 10.5", "Bob | 0.5", "(2 rows)"]
    assert ask("SELECT id, note FROM cheap ORDER BY id")[1:3] == ["2 | late", "3 | 7"]
    assert ask('SELECT count(*) FROM "odd ""name"')[1] == "0"
    joined = "SELECT price FROM orders o JOIN 'people.csv' p ON o.who = p.name WHERE p.age = 40"
    assert ask(joined)[1] == "0.5"
    error = failing(ctx, "FROM t", sqlite="people.csv")
    assert (
        str(error) == "EINVAL: people.csv cannot be read as a SQLite file: file is not a database"
    )
    assert failing(ctx, "FROM t", sqlite="../shop.db").code == "EPERM"
    assert failing(ctx, "FROM t", sqlite="shop").hint == "did you mean shop.db?"


def test_of_a_sqlite_file_that_is_being_written_no_old_answer_is_given(
    ctx: Context, level: Level
) -> None:
    shop = sqlite3.connect(ctx.root / "shop.db", isolation_level=None)
    shop.execute("PRAGMA journal_mode = WAL")
    shop.execute("INSERT INTO orders VALUES (4, 'Eve', 1, '')")
    error = failing(ctx, "SELECT count(*) FROM orders", sqlite="shop.db")
    assert error.code == "EAGAIN" and "wal_checkpoint" in error.hint
    shop.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    told = query_data(ctx, "SELECT count(*) FROM orders", sqlite="shop.db")
    shop.close()
    assert told.splitlines()[1] == "4"


@pytest.mark.parametrize(
    "query",
    [
        "FROM '../secret.csv'",
        "FROM 'planted.csv'",
        "FROM read_csv('{above}/secret.csv')",
        "SELECT content FROM read_text('{above}/secret.csv')",
        "SELECT content FROM read_blob('/etc/passwd')",
        "SELECT * FROM read_text('/proc/self/environ')",
        "FROM glob('{above}/*')",
        "ATTACH '{above}/new.db'",
        "COPY (SELECT 1) TO '{above}/new.csv'",
        "COPY (SELECT 1) TO 'new.csv'",
        "ATTACH 'new.db'",
        "EXPORT DATABASE 'new'",
        "FROM 'http://127.0.0.1:9/x.csv'",
        "LOAD 'httpfs'",
        "LOAD '{above}/x.duckdb_extension'",
        "SET enable_external_access = true",
        "SET lock_configuration = false",
        "FROM ctx",
        "SELECT 1; DROP TABLE x",
        "CALL pragma_database_size(); SELECT 1",
    ],
)
def test_nothing_else_is_read_and_nothing_is_written(
    ctx: Context, level: Level, query: str
) -> None:
    above = ctx.root.parent
    before = sorted(above.rglob("*"))
    try:
        told = query_data(ctx, query.format(above=above))
    except SyscallError as error:
        told = str(error)
        assert error.code in ("EPERM", "EIO", "EINVAL")
    assert "sesame" not in told and "root:" not in told and "PATH" not in told
    assert "secret.csv\n" not in told
    assert sorted(above.rglob("*")) == before


def test_rows_cells_and_time_are_bounded(ctx: Context, level: Level) -> None:
    assert query_data(ctx, "FROM range(9)", rows=2) == (
        "range\n0\n1\n(the first 2 rows; there are more)"
    )
    cell = query_data(ctx, "SELECT repeat('x', 10000) AS x").splitlines()[1]
    assert len(cell) == MAX_CELL and cell.endswith("…")
    endless = (
        "SELECT count(*) FROM range(100000000000) a, range(1000) b WHERE a.range * b.range = 7"
    )
    assert failing(ctx, endless, timeout=0.5).code == "ETIME"
    assert failing(ctx, "SELECT list(range) FROM range(500000000)").code == "ENOMEM"


def test_mistakes_say_what_is_wrong(ctx: Context) -> None:
    assert 'Candidate bindings: "' in str(failing(ctx, "SELECT nam FROM 'people.csv'"))
    assert "syntax error" in str(failing(ctx, "SELEC 1"))
    assert str(failing(ctx, "")) == "EINVAL: query: expected one statement, got 0"


def test_every_kind_of_value_can_be_told(ctx: Context) -> None:
    told = query_data(
        ctx,
        "SELECT 1.50::DECIMAL(9, 2), DATE '2026-05-08', TIMESTAMPTZ '2026-05-08 12:00:00+02',"
        " INTERVAL 1 DAY, [1, 2], {'a': 1}, true, NULL, 'a\nb', '\\x00'::BLOB, uuid() IS NULL",
    ).splitlines()[1]
    assert told.startswith("1.50 | 2026-05-08 | 2026-05-08 10:00:00+00:00 | 1 day")
    assert "[1, 2] | {'a': 1} | True | NULL | a\\nb" in told


def test_an_agent_that_names_it_uses_it(ctx: Context, tmp_path: Path) -> None:
    async def main(machine: Machine) -> None:
        kernel = machine.kernel
        agent = await kernel.spawn(
            task=None, name="a", root=ctx.root, interactive=True, tools=("query_data",)
        )
        told = await call(kernel, agent, "query_data", query="SELECT max(age) FROM 'people.csv'")
        assert told == "max(age)\n40\n(1 row)"
        told = await call(kernel, agent, "query_data", query="FROM 'planted.csv'")
        assert told.startswith(("EPERM: ", "EIO: ")) and "sesame" not in told

    live_really(tmp_path / "kernel", main)
