import os
from concurrent.futures import ThreadPoolExecutor
from threading import Event

import pytest
from django.conf import settings
from django.contrib.auth.models import Group, Permission
from django.db import connection, transaction

from common.testing import await_true
from common.testing_database import rows_of_all_tables, rows_restore


@pytest.mark.django_db(transaction=True)
def test_what_was_committed_goes_and_what_migrations_wrote_comes_back() -> None:
    before = rows_of_all_tables()
    assert {"auth_permission", "django_content_type", "django_celery_beat_periodictask"} <= before.keys()
    Group.objects.create(name="Ayuda").permissions.add(Permission.objects.earliest("pk"))
    Permission.objects.last().delete()
    assert rows_of_all_tables() != before
    rows_restore(before)
    assert rows_of_all_tables() == before


@pytest.mark.django_db(transaction=True)
def test_what_another_process_writes_just_then_goes_too() -> None:
    before = rows_of_all_tables()
    group = Group.objects.create(name="Ayuda")
    has_written = Event()

    def write() -> None:
        with transaction.atomic(), connection.cursor() as cursor:
            cursor.execute("SET CONSTRAINTS ALL IMMEDIATE")  # so that the group can't go before the commit
            group.permissions.add(Permission.objects.earliest("pk"))
            has_written.set()
            await_true("the rows are about to go", is_somebody_kept_waiting)
        connection.close()

    with ThreadPoolExecutor(1) as pool:
        writing = pool.submit(write)
        assert has_written.wait(60)
        rows_restore(before)
        writing.result()
    assert rows_of_all_tables() == before


def is_somebody_kept_waiting() -> bool:
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT EXISTS (SELECT FROM pg_locks JOIN pg_stat_activity USING (pid) WHERE NOT granted AND datname = current_database())"
        )
        return bool(cursor.fetchone()[0])


def test_the_settings_are_those_of_this_worker() -> None:
    assert os.environ["URL_DATABASE_REDIS"] == settings.REDIS_URL
