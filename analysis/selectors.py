"""Reads of the advice."""

from accounts.models import Home
from analysis.models import Recommendation


def latest_recommendation(home: Home) -> str | None:
    """Return the text of the home's newest recommendation, or None (1 query)."""
    newest = Recommendation.objects.filter(home=home).order_by("-created_at", "-id")
    return newest.values_list("text", flat=True).first()
