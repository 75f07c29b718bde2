"""A dashboard that has not changed is not sent again."""

from rest_framework.test import APIClient

from accounts.models import Home
from analysis.models import Recommendation
from reports.tests.test_dashboard_api import URL


def test_an_unchanged_dashboard_is_304_and_a_changed_one_comes_whole(api: APIClient, home: Home) -> None:
    tag = api.get(URL)["ETag"]
    again = api.get(URL, headers={"If-None-Match": tag})
    assert (again.status_code, again.content) == (304, b"")
    assert "private" in again["Cache-Control"]
    Recommendation.objects.create(home=home, text="Apaga la bomba de noche.")
    assert api.get(URL, headers={"If-None-Match": tag}).json()["latest_recommendation"] == "Apaga la bomba de noche."
