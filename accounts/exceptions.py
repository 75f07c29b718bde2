"""What can go wrong with an account, in the words that the user reads."""

from django.utils.translation import gettext as _

from common.exceptions import BadRequest, Conflict, Forbidden, NotAuthenticated, NotFound, TooManyRequests, Unavailable


class EmailTaken(Conflict):
    """Another account has the e-mail."""

    def __init__(self) -> None:
        super().__init__(_("El correo electrónico ya está en uso."))


class LoginRefused(NotAuthenticated):
    """No active account has this e-mail and password."""

    def __init__(self) -> None:
        super().__init__(_("Email o contraseña incorrectos"))


class RefreshRefused(NotAuthenticated):
    """The refresh token is unknown, expired, revoked or stolen."""

    def __init__(self) -> None:
        super().__init__(_("Token de refresco inválido o expirado"))


class SessionEnded(NotAuthenticated):
    """The session of the access token was ended while the request was under way."""

    def __init__(self) -> None:
        super().__init__(_("No se pudieron validar las credenciales"))


class ResetRefused(BadRequest):
    """The reset token is unknown, expired or used."""

    def __init__(self) -> None:
        super().__init__(_("El token es inválido o ha expirado."))


class NoHome(NotFound):
    """The user belongs to no home, such as an administrator."""

    def __init__(self) -> None:
        super().__init__(_("Tu cuenta no pertenece a ningún hogar."))


class NoContract(NotFound):
    """The home has no supply contract: staff made it without one."""

    def __init__(self) -> None:
        super().__init__(_("Tu hogar no tiene un contrato de suministro."))


class NotAllowed(Forbidden):
    """The caller's role in the home, or the lack of one, does not allow it."""


class TooManyAttempts(TooManyRequests):
    """A limit on guessing passwords, or on mails, is used up."""

    def __init__(self, retry_after_s: int) -> None:
        super().__init__(_("Demasiados intentos. Inténtalo de nuevo más tarde."), retry_after_s)


class MailUnavailable(Unavailable):
    """The mail can't be queued now."""

    def __init__(self) -> None:
        super().__init__(_("No podemos enviar el correo en este momento. Inténtalo de nuevo en unos minutos."))


class Busy(Unavailable):
    """More passwords are to be checked than can be in a while."""

    def __init__(self, retry_after_s: int) -> None:
        super().__init__(_("Hay demasiadas peticiones en este momento. Inténtalo de nuevo en unos segundos."), retry_after_s)
