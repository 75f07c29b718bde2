"""The admin's login, within the limits of the API's."""

from typing import Any

import structlog
from django.core.exceptions import ValidationError
from unfold.forms import AuthenticationForm

from accounts.exceptions import Busy, TooManyAttempts
from accounts.security import rate_limits as limits
from accounts.security.throttling import address

log = structlog.get_logger(__name__)


class LoginForm(AuthenticationForm):  # type: ignore[misc]
    """E-mail and password of staff. `retry_after_s` is above zero where a limit is used up."""

    retry_after_s = 0

    def clean(self) -> dict[str, Any]:
        """Return who logs in. Raises ValidationError; what is refused is logged, with neither e-mail nor password."""
        caller = address(self.request)
        try:
            if wait := limits.hit(limits.address_requests(), caller):
                raise TooManyAttempts(retry_after_s=wait)
            return dict(super().clean())
        except (TooManyAttempts, Busy) as error:
            self.retry_after_s = error.retry_after_s or 1
            log.warning("admin_login_throttled", address=caller)
            raise ValidationError(str(error), code="throttled") from error
        except ValidationError:
            log.warning("admin_login_refused", address=caller)
            raise
