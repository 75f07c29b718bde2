from datetime import UTC, datetime

import pytest
from django.db import IntegrityError, transaction
from django.test import Client
from django.urls import reverse
from pytest_django import DjangoAssertNumQueries

from accounts.models import Home, User
from analysis.models import Recommendation
from analysis.selectors import latest_recommendation

pytestmark = pytest.mark.django_db


def _advise(home: Home, text: str, day: int) -> Recommendation:
    return Recommendation.objects.create(home=home, text=text, created_at=datetime(2026, 11, day, tzinfo=UTC))


def test_the_newest_recommendation_of_the_home_is_its_latest(
    home: Home, stranger: User, django_assert_num_queries: DjangoAssertNumQueries
) -> None:
    _advise(home, "Apaga el boiler.", 20)
    _advise(home, "Revisa el refrigerador.", 22)
    _advise(home, "Lava de noche.", 21)
    _advise(stranger.home, "Ajeno.", 23)
    with django_assert_num_queries(1):
        assert latest_recommendation(home) == "Revisa el refrigerador."


def test_of_two_at_one_moment_the_later_written_counts(home: Home) -> None:
    _advise(home, "Primera.", 20)
    _advise(home, "Segunda.", 20)
    assert latest_recommendation(home) == "Segunda."


def test_a_home_without_advice_has_none(home: Home) -> None:
    assert latest_recommendation(home) is None


def test_an_empty_recommendation_is_refused(home: Home) -> None:
    with pytest.raises(IntegrityError, match="analysis_recommendation_text"), transaction.atomic():
        _advise(home, "", 20)


def test_every_page_of_the_recommendations_opens(home: Home) -> None:
    staff = Client()
    staff.force_login(User.objects.create_superuser("admin@example.com", "una-clave-larga-1", name="Admin"))
    pages = [
        reverse("admin:analysis_recommendation_changelist") + "?q=boiler&source__exact=rules",
        reverse("admin:analysis_recommendation_changelist"),
        reverse("admin:analysis_recommendation_add"),
        reverse("admin:analysis_recommendation_change", args=[_advise(home, "Apaga el boiler.", 20).pk]),
    ]
    assert [staff.get(page).status_code for page in pages] == [200] * len(pages)
