"""Reads of the accounts on behalf of a user."""

from collections.abc import Collection

from django.contrib.auth.models import AnonymousUser, Permission
from django.db.models import Q, QuerySet

from accounts.exceptions import NoHomeToChange, OwnerOnly, ViewerMayNotChange
from accounts.models import Home, Membership, User

CHANGING_ROLES = {Membership.Role.OWNER.value, Membership.Role.MEMBER.value}


def home_to_change(user: User) -> Home:
    """Return the home that the app shows, if the user may change it (1 query). Raises NoHomeToChange, ViewerMayNotChange."""
    home = Home.objects.shown_to(user).first()
    if home is None:
        raise NoHomeToChange
    require_changing_role(home.caller_role)
    return home


def require_changing_role(role: str) -> None:
    """Let owners and members of a home go on. Raises ViewerMayNotChange."""
    if role not in CHANGING_ROLES:
        raise ViewerMayNotChange


def require_owner(role: str) -> None:
    """Let owners of a home go on. Raises OwnerOnly."""
    if role != Membership.Role.OWNER:
        raise OwnerOnly


def homes_left_empty(users: Collection[User]) -> QuerySet[Home]:
    """Return the homes that none but these people belong to."""
    others = Membership.objects.exclude(user__in=users).values("home")
    return Home.objects.filter(memberships__user__in=users).exclude(pk__in=others).distinct()


def heirs_of(users: Collection[User]) -> list[Membership]:
    """Return who becomes the owner of each home that is left without one when these people go (1 query).

    It is a member before an invited one, and who has been there longest.
    """
    left = Membership.objects.exclude(user__in=users).filter(home__memberships__user__in=users).select_related("user", "home")
    by_home: dict[int, list[Membership]] = {}
    for one in left.order_by("id").distinct():
        by_home.setdefault(one.home_id, []).append(one)
    ownerless = (people for people in by_home.values() if all(one.role != Membership.Role.OWNER for one in people))
    return [min(people, key=lambda one: (one.role != Membership.Role.MEMBER, one.pk)) for people in ownerless]


def may_act_as(user: User | AnonymousUser, other: User) -> bool:
    """Return whether the user has every right of the other, who may be inactive (2 queries)."""
    if user.is_superuser or other.is_superuser:
        return user.is_superuser
    return _rights(other.pk) <= _rights(user.pk)


def _rights(user_id: int | None) -> set[int]:
    given = Permission.objects.filter(Q(user=user_id) | Q(group__user=user_id))
    return set(given.values_list("id", flat=True))
