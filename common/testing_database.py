"""The tests' database: migrated once for all workers, and as migrations left it after each test that commits."""

import fcntl
from pathlib import Path
from typing import Any

from django.db import IntegrityError, connection, transaction

# By table, as COPY writes them.
Rows = dict[str, bytes]

TABLES = """
SELECT quote_ident(relname), relispartition FROM pg_class
WHERE relkind = 'r' AND relnamespace = 'public'::regnamespace AND relname <> 'django_migrations' ORDER BY relname
"""
OTHERS_END = """
SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = current_database() AND pid <> pg_backend_pid()
"""


def database_make(worker: str, folder: Path) -> None:
    """Make the test database, for a worker (`gw0` …) a copy of the one that the first of them migrated; they share the folder."""
    creation = connection.creation
    if worker == "master":
        creation.create_test_db(verbosity=0, autoclobber=True, serialize=False)
        return
    with (folder / "migrated").open("a+") as shared:
        fcntl.flock(shared, fcntl.LOCK_EX)
        shared.seek(0)
        if name := shared.read():
            connection.close()
            connection.settings_dict["NAME"] = name
        else:
            shared.write(creation.create_test_db(verbosity=0, autoclobber=True, serialize=False))
        creation.clone_test_db(suffix=worker, verbosity=0, autoclobber=True)
    connection.settings_dict |= creation.get_test_db_clone_settings(worker)


def database_drop() -> None:
    """Drop it, though threads of the tests may have left connections to it."""
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = current_database() AND pid <> pg_backend_pid()"
        )
    connection.creation.destroy_test_db(verbosity=0)


def rows_of_all_tables() -> Rows:
    """Return what stands in the tables that have rows."""
    with connection.cursor() as cursor:
        return {table: _copied(cursor, table) for table, _is_partition in _tables_with_rows(cursor)}


def rows_copy(rows: Rows) -> None:
    """Add the rows. Sequences stay where they are."""
    with connection.cursor() as cursor:
        for table, lines in rows.items():
            with cursor.copy(f"COPY {table} FROM STDIN") as copy:
                copy.write(lines)


def rows_restore(rows: Rows) -> None:
    """Leave these rows and no others.

    Django's flush truncates every table, which makes its files anew, and then looks for content types and permissions: half a second
    for each test that commits, and what migrations wrote is gone for those that come after it. A process that outlives the test may
    write just then, on what is to go; the next time there is nothing left that it could refer to.
    """
    try:
        _rows_replace(rows)
    except IntegrityError:
        _rows_replace(rows)


def _rows_replace(rows: Rows) -> None:
    with transaction.atomic(), connection.cursor() as cursor:
        for table, is_partition in _tables_with_rows(cursor):
            # Nothing refers to a partition's rows, of which there may be many.
            cursor.execute(f"{'TRUNCATE' if is_partition else 'DELETE FROM'} {table}")
        rows_copy(rows)


def _tables_with_rows(cursor: Any) -> list[tuple[str, bool]]:
    cursor.execute(TABLES)
    counted = (f"SELECT '{table}', {partition} WHERE EXISTS (SELECT FROM {table})" for table, partition in cursor.fetchall())  # noqa: S608
    cursor.execute(" UNION ALL ".join(counted))
    tables: list[tuple[str, bool]] = cursor.fetchall()
    return tables


def _copied(cursor: Any, table: str) -> bytes:
    with cursor.copy(f"COPY {table} TO STDOUT") as copy:
        return b"".join(bytes(block) for block in copy)
