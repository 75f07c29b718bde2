"""What can go wrong with an account, in the words that the user reads."""

from django.utils.translation import gettext_lazy as _

from common.exceptions import BadRequest, Conflict, Forbidden, NotAuthenticated, NotFound, TooManyRequests, Unavailable


class EmailTaken(Conflict):
    """Another account has the e-mail."""

    sentence = _("El correo electrónico ya está en uso.")


class LoginRefused(NotAuthenticated):
    """No active account has this e-mail and password."""

    sentence = _("Email o contraseña incorrectos")


class RefreshRefused(NotAuthenticated):
    """The refresh token is unknown, expired, revoked or stolen."""

    sentence = _("Token de refresco inválido o expirado")


class ResetRefused(BadRequest):
    """The reset token is unknown, expired or used."""

    sentence = _("El token es inválido o ha expirado.")


class NoHome(NotFound):
    """The user belongs to no home, such as an administrator."""

    sentence = _("Tu cuenta no pertenece a ningún hogar.")


class NoContract(NotFound):
    """The home has no supply contract: staff made it without one."""

    sentence = _("Tu hogar no tiene un contrato de suministro.")


class NoHomeToChange(Forbidden):
    """The user belongs to no home and asks to change it."""

    sentence = _("Aún no perteneces a ningún hogar.")


class ViewerMayNotChange(Forbidden):
    """The user's role in the home is to look at it."""

    sentence = _("Como invitado puedes ver lo que hay en el hogar, pero no cambiarlo.")


class OwnerOnly(Forbidden):
    """The user belongs to the home and does not own it."""

    sentence = _("Solo el dueño del hogar puede hacer esto.")


class TooManyAttempts(TooManyRequests):
    """A limit on guessing passwords, or on mails, is used up."""

    sentence = _("Demasiados intentos. Inténtalo de nuevo más tarde.")


class MailUnavailable(Unavailable):
    """The mail can't be queued now."""

    sentence = _("No podemos enviar el correo en este momento. Inténtalo de nuevo en unos minutos.")


class Busy(Unavailable):
    """More passwords are to be checked than can be in a while."""

    sentence = _("Hay demasiadas peticiones en este momento. Inténtalo de nuevo en unos segundos.")
