"""People, and the home and contract that come with them."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from django.contrib.auth.hashers import make_password
from django.db import IntegrityError, transaction
from django.utils.translation import gettext as _

from accounts.constants import EMAIL_CONSTRAINT, NAME_LENGTH_MAX
from accounts.exceptions import EmailTaken
from accounts.models import Contract, Home, Membership, User
from accounts.models.contracts import DEFAULT_TARIFF
from accounts.security import password_hashing as hashing
from accounts.selectors import home_to_change
from accounts.services.contracts import contract_change


@contextmanager
def _unique_email() -> Iterator[None]:
    """Let the database decide who was first: two requests may ask for one e-mail at the same instant. Raises EmailTaken."""
    try:
        with transaction.atomic():
            yield
    except IntegrityError as error:
        if EMAIL_CONSTRAINT in str(error):
            raise EmailTaken from error
        raise


def _require_free(user: User) -> None:
    """Ask before it is tried: what the database refuses, it writes into its log with the e-mail. Raises EmailTaken."""
    if User.objects.with_email(user.email).exclude(pk=user.pk).exists():
        raise EmailTaken


def user_register(
    *,
    email: str,
    password: str,
    name: str,
    tariff: str = DEFAULT_TARIFF,
    billing_day: int = 1,
    network: str = "",
) -> User:
    """Create a user, who owns a new home with a supply contract: all of it or nothing. Raises EmailTaken, TooManyAttempts, Busy."""
    with hashing.turn(network):
        user = User(email=User.objects.normalize_email(email), name=name, password=make_password(password))
    _require_free(user)
    with _unique_email():
        user.save()
        home = Home.objects.create(name=(_("Casa de %(name)s") % {"name": name})[:NAME_LENGTH_MAX])
        Membership.objects.create(user=user, home=home, role=Membership.Role.OWNER)
        Contract.objects.create(home=home, tariff=tariff, billing_day=billing_day)
    return user


def user_update(
    *,
    user: User,
    name: str | None = None,
    email: str | None = None,
    tariff: str | None = None,
    billing_day: int | None = None,
) -> User:
    """Change what is given, of the user and of the contract of the home that the app shows. Raises EmailTaken, Forbidden."""
    new_email = user.email if email is None or email == user.email else User.objects.normalize_email(email)
    is_new_email = new_email != user.email
    of_user = {"name": name, "email": new_email if is_new_email else None}
    of_contract: dict[str, Any] = {"tariff": tariff, "billing_day": billing_day}
    of_contract = {name: value for name, value in of_contract.items() if value is not None}
    if is_new_email:
        _require_free(User(pk=user.pk, email=new_email))
    with _unique_email():
        _change(user, of_user)
        if is_new_email:  # a reset mailed to the old address must not open the account any more
            user.password_resets.all().delete()
        if of_contract:
            contract_change(home=home_to_change(user), **of_contract)
    return user


def _change(user: User, values: dict[str, str | None]) -> None:
    """Write the values that are not None, and only their columns, so that parallel changes of others stay."""
    given = {name: value for name, value in values.items() if value is not None}
    for name, value in given.items():
        setattr(user, name, value)
    if given:
        user.save(update_fields=list(given))
