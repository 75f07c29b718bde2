import os

import pytest
from django.conf import settings
from django.contrib.auth.models import Group, Permission

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


def test_the_settings_are_those_of_this_worker() -> None:
    assert os.environ["URL_DATABASE_REDIS"] == settings.REDIS_URL
