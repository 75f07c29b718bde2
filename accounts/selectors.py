"""Reads of the accounts on behalf of a user."""

from django.utils.translation import gettext as _

from accounts.exceptions import NotAllowed
from accounts.models import Home, Membership, User

CHANGING_ROLES = {Membership.Role.OWNER.value, Membership.Role.MEMBER.value}


def home_to_change(user: User) -> Home:
    """Return the home that the app shows, if the user may change it (1 query). Raises NotAllowed."""
    membership = Membership.objects.filter(user=user).select_related("home").order_by("id").first()
    if membership is None:
        raise NotAllowed(_("Aún no perteneces a ningún hogar."))
    require_changing_role(membership.role)
    return membership.home


def require_changing_role(role: str) -> None:
    """Let owners and members of a home go on. Raises NotAllowed for a viewer, who reads."""
    if role not in CHANGING_ROLES:
        raise NotAllowed(_("Como invitado puedes ver lo que hay en el hogar, pero no cambiarlo."))
