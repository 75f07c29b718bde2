"""Homes, their time, and who is left in them."""

from collections.abc import Iterable

from django.db import transaction

from accounts.models import Home, Membership, User
from accounts.places.time_zones import zone_of
from accounts.selectors import heirs_of, homes_left_empty


def home_zone_follow(*, home: Home) -> None:
    """Set the home's clock by the place of its contract, unless a person has chosen one (0–2 queries). Raises NoContract."""
    contract = home.contract
    zone = zone_of(contract.state, contract.municipality)
    if zone and zone != home.time_zone and not home.is_zone_chosen:
        home.time_zone = zone
        home.save(update_fields=["time_zone"])


@transaction.atomic
def users_delete(*, users: Iterable[User]) -> None:
    """Delete people, and with them the homes in which nobody else is left. Where others are, one of them becomes the owner."""
    going = list(users)
    list(Home.objects.select_for_update(of=("self",)).filter(memberships__user__in=going).order_by("pk"))  # one at a time
    homes, heirs = list(homes_left_empty(going)), heirs_of(going)
    Membership.objects.filter(pk__in=[heir.pk for heir in heirs]).update(role=Membership.Role.OWNER)
    for gone in (*homes, *going):
        gone.delete()
