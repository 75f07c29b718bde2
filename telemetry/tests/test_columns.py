"""The one list of columns against what the database and the models have."""

import pytest
from django.db import connection, models

from telemetry.columns import BUCKET, READING, Columns, Flag
from telemetry.models import FiveMinutes, Hour, Reading

TABLES = [(READING, Reading), (BUCKET, FiveMinutes), (BUCKET, Hour)]
COLUMNS = """
SELECT attname, typname, NOT attnotnull FROM pg_attribute JOIN pg_type t ON t.oid = atttypid
WHERE attrelid = %s::regclass AND attnum > 0 AND NOT attisdropped ORDER BY attnum
"""


@pytest.mark.django_db
@pytest.mark.parametrize(("columns", "model"), TABLES)
def test_the_database_has_the_columns_in_their_order(columns: Columns, model: type[models.Model]) -> None:
    with connection.cursor() as cursor:
        cursor.execute(COLUMNS, [model._meta.db_table])
        assert cursor.fetchall() == [tuple(column) for column in columns]


@pytest.mark.parametrize(("columns", "model"), TABLES)
def test_the_models_have_the_columns(columns: Columns, model: type[models.Model]) -> None:
    fields = [field for field in model._meta.local_concrete_fields if field.name != "pk"]
    assert [(field.column, field.null) for field in fields] == [(column.name, column.is_nullable) for column in columns]


def test_flags_keep_the_bits_that_are_stored() -> None:
    assert {flag.name: flag.value for flag in Flag} == {"RECOVERED": 1, "REJECTED": 2, "RESTARTED": 4, "IMPORTED": 8}
