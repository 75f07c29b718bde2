"""What EcoWatt tells a home to do about its use."""

from django.db import models
from django.utils import timezone
from django.utils.translation import gettext_lazy as _

from accounts.models import Home


class Recommendation(models.Model):
    """One piece of advice to a home, in Spanish, ready to be shown."""

    class Source(models.TextChoices):
        RULES = "rules", _("reglas")
        GEMINI = "gemini", _("Gemini")

    home = models.ForeignKey(Home, on_delete=models.CASCADE, related_name="recommendations", verbose_name=_("hogar"))
    text = models.TextField(_("texto"))
    created_at = models.DateTimeField(_("fecha"), default=timezone.now)
    source = models.CharField(_("origen"), max_length=10, choices=Source.choices, default=Source.RULES)

    class Meta:
        verbose_name = _("recomendación")
        verbose_name_plural = _("recomendaciones")
        ordering = ["-created_at", "-id"]
        # The dashboard asks for the newest of one home.
        indexes = [models.Index(fields=["home", "-created_at", "-id"], name="analysis_newest_of_home")]
        constraints = [
            models.CheckConstraint(
                condition=~models.Q(text=""),
                name="analysis_recommendation_text",
                violation_error_message=_("La recomendación no puede estar vacía."),
            )
        ]

    def __str__(self) -> str:
        return f"{self.created_at:%Y-%m-%d}: {self.text[:60]}"
