"""What staff see of people, homes, sessions and phones. No password hash and no token is shown."""

from functools import partial
from typing import Any

from django import forms
from django.contrib import admin, messages
from django.contrib.admin.helpers import ACTION_CHECKBOX_NAME
from django.contrib.admin.utils import get_deleted_objects
from django.contrib.auth.admin import GroupAdmin as BaseGroupAdmin
from django.contrib.auth.admin import UserAdmin as BaseUserAdmin
from django.contrib.auth.models import Group
from django.db import transaction
from django.db.models import Count, OuterRef, QuerySet, Subquery
from django.http import HttpRequest, HttpResponse
from django.template.response import TemplateResponse
from django.utils.html import format_html
from django.utils.safestring import SafeString
from django.utils.translation import gettext_lazy as _
from django.utils.translation import ngettext
from unfold.admin import ModelAdmin, StackedInline, TabularInline
from unfold.forms import AdminPasswordChangeForm, UserCreationForm

from accounts.models import Contract, Home, Membership, PushToken, Session, User
from accounts.permission_names import PermissionsAdmin
from accounts.selectors import heirs_of, homes_left_empty, may_act_as
from accounts.services import home_zone_follow, users_delete
from accounts.tasks import email_change_mail_queue

admin.site.unregister(Group)
RIGHTS = ("is_staff", "is_superuser", "groups", "user_permissions")


def is_superuser(request: HttpRequest) -> bool:
    """Return whether a superuser asks."""
    return bool(request.user.is_active and request.user.is_superuser)


@admin.register(Group)
class GroupAdmin(PermissionsAdmin, BaseGroupAdmin, ModelAdmin):  # type: ignore[misc]
    """Groups of staff, in this admin's look. Who changes a group gives rights, which only superusers do."""

    def has_add_permission(self, request: HttpRequest) -> bool:
        """Let superusers."""
        return is_superuser(request)

    def has_change_permission(self, request: HttpRequest, obj: Group | None = None) -> bool:
        """Let superusers."""
        return is_superuser(request)

    def has_delete_permission(self, request: HttpRequest, obj: Group | None = None) -> bool:
        """Let superusers."""
        return is_superuser(request)


class UserAddForm(UserCreationForm):
    """A new user: e-mail and name; the home is joined on the next page."""

    class Meta:
        model = User
        fields = ("email", "name")


class UserHomeInline(TabularInline):
    """The homes of a user."""

    model = Membership
    extra = 0
    autocomplete_fields = ("home",)


@admin.register(User)
class UserAdmin(PermissionsAdmin, BaseUserAdmin, ModelAdmin):  # type: ignore[type-arg]
    """People. Changing a password here ends their sessions.

    Only superusers give rights, and nobody changes a person who may do more than they may: to set an e-mail or a password is to become
    that person.
    """

    form = forms.ModelForm
    add_form = UserAddForm
    change_password_form = AdminPasswordChangeForm
    list_display = ("email", "name", "is_active", "is_staff", "date_joined")
    list_filter = ("is_active", "is_staff")
    search_fields = ("email", "name")
    ordering = ("email",)
    readonly_fields = ("password_link", "date_joined", "last_login")
    filter_horizontal = ("groups", "user_permissions")
    inlines = (UserHomeInline,)
    fieldsets = (
        (None, {"fields": ("email", "name", "password_link", "is_active", "date_joined", "last_login")}),
        (_("Permisos"), {"classes": ("collapse",), "fields": RIGHTS}),
    )
    add_fieldsets = ((None, {"fields": ("email", "name", "usable_password", "password1", "password2")}),)

    def get_readonly_fields(self, request: HttpRequest, obj: User | None = None) -> tuple[str, ...]:
        """Show rights, for superusers alone to change."""
        fields = tuple(super().get_readonly_fields(request, obj))
        return fields if is_superuser(request) else (*fields, *RIGHTS)

    def save_model(self, request: HttpRequest, obj: User, form: "forms.ModelForm[User]", change: bool) -> None:
        """Save; what was mailed to an e-mail that is not theirs any more opens nothing, and is told of the change."""
        super().save_model(request, obj, form, change)
        if change and "email" in form.changed_data:
            obj.password_resets.all().delete()
            transaction.on_commit(partial(email_change_mail_queue, before=form.initial["email"], after=obj.email))

    def has_change_permission(self, request: HttpRequest, obj: User | None = None) -> bool:
        """Let those who may, but at people with no more rights than theirs."""
        return super().has_change_permission(request, obj) and (obj is None or may_act_as(request.user, obj))

    def has_delete_permission(self, request: HttpRequest, obj: User | None = None) -> bool:
        """Let those who may, but of people with no more rights than theirs."""
        return super().has_delete_permission(request, obj) and (obj is None or may_act_as(request.user, obj))

    def get_inlines(self, request: HttpRequest, obj: User | None) -> tuple[type[TabularInline], ...]:
        """Offer homes once the user is there."""
        return self.inlines if obj else ()

    def get_deleted_objects(self, objs: Any, request: HttpRequest) -> tuple[list[Any], dict[str, int], set[str], list[str]]:
        """Say which homes go along, with all they have measured, and who becomes the owner of others."""
        users = list(objs)
        deleted: list[Any]
        deleted, counts, lacking, protected = super().get_deleted_objects(users, request)
        homes, more, rights, held = get_deleted_objects(homes_left_empty(users), request, self.admin_site)
        if homes:
            deleted = [_("Hogares en los que no queda nadie más; se pierde todo lo que midieron:"), homes, *deleted]
        heirs = [_("%(user)s será dueño de %(home)s.") % {"user": one.user, "home": one.home} for one in heirs_of(users)]
        return [*heirs, *deleted], {**more, **counts}, lacking | rights, [*protected, *held]

    def delete_model(self, request: HttpRequest, obj: User) -> None:
        """Delete a person, and leave no home without an owner."""
        users_delete(users=[obj])

    def delete_queryset(self, request: HttpRequest, queryset: QuerySet[User]) -> None:
        """Delete people, and leave no home without an owner."""
        users_delete(users=queryset)

    @admin.display(description=_("contraseña"))
    def password_link(self, user: User) -> SafeString:
        """Lead to the form that sets another password."""
        return format_html('<a href="../password/" class="text-primary-600 underline">{}</a>', _("Cambiar la contraseña"))


class ContractForm(forms.ModelForm):  # type: ignore[type-arg]
    """A contract that is saved with its home even if staff leave every default as it is."""

    def has_changed(self) -> bool:
        """Count a contract that is not stored yet as changed."""
        return not self.instance.pk or super().has_changed()


class ContractInline(StackedInline):
    """The home's supply contract, without which nothing can be billed, with its versions."""

    model = Contract
    form = ContractForm
    extra = 0
    min_num = 1
    validate_min = True
    # Two in a row: more overlap on a screen of 1280 px.
    fieldsets = (
        (
            None,
            {
                "fields": (
                    ("valid_from", "supply_start"),
                    ("tariff", "base_tariff"),
                    ("billing_months", "billing_day"),
                    "last_reading",
                )
            },
        ),
        (
            _("Temporada, región e impuestos"),
            {"fields": (("summer_start_month", "dac_region"), ("generation", "iva_rate"))},
        ),
        (_("Alumbrado y descuentos"), {"fields": (("dap_share", "dap_mxn"), ("discount_share", "discount_mxn"))}),
        (_("Lugar"), {"fields": (("state", "municipality"),)}),
    )


class MemberInline(TabularInline):
    """The people of a home."""

    model = Membership
    extra = 0
    autocomplete_fields = ("user",)


@admin.register(Home)
class HomeAdmin(ModelAdmin):
    """Homes with their members and contract."""

    list_display = ("name", "owner", "tariff", "billing_day", "people", "time_zone", "created_at")
    list_filter = ("time_zone",)
    search_fields = ("name", "memberships__user__email")
    inlines = (ContractInline, MemberInline)

    def save_model(self, request: HttpRequest, obj: Home, form: "forms.ModelForm[Home]", change: bool) -> None:
        """Save; a clock that staff set stays as they set it."""
        obj.is_zone_chosen |= "time_zone" in form.changed_data
        super().save_model(request, obj, form, change)

    def save_related(self, request: HttpRequest, form: "forms.ModelForm[Home]", formsets: Any, change: bool) -> None:
        """Save, and set the clock by the contract's place where nobody has."""
        super().save_related(request, form, formsets, change)
        home_zone_follow(home=Home.objects.get(pk=form.instance.pk))

    def get_queryset(self, request: HttpRequest) -> QuerySet[Home]:
        """Count the members along, and name the owner."""
        homes: QuerySet[Home] = super().get_queryset(request)
        owners = Membership.objects.filter(home=OuterRef("pk"), role=Membership.Role.OWNER).order_by("id")
        counted = homes.annotate(
            people_count=Count("memberships", distinct=True), owner_email=Subquery(owners.values("user__email")[:1])
        )
        return counted.prefetch_related("contracts")

    @admin.display(description=_("dueño"), ordering="owner_email")
    def owner(self, home: Home) -> str:
        """Return the first owner's e-mail."""
        return home.owner_email or "–"  # type: ignore[attr-defined]

    @admin.display(description=_("tarifa"))
    def tariff(self, home: Home) -> str:
        """Return the contract's tariff as it is today."""
        return home.contract.tariff

    @admin.display(description=_("día de corte"))
    def billing_day(self, home: Home) -> int:
        """Return the contract's billing day as it is today."""
        return home.contract.billing_day

    @admin.display(description=_("personas"), ordering="people_count")
    def people(self, home: Home) -> int:
        """Return how many belong to the home."""
        return int(home.people_count)  # type: ignore[attr-defined]


class ReadOnlyAdmin(ModelAdmin):
    """Rows that only the program writes; deleting stays possible, or their user could not be deleted either.

    What is not shown can't be asked for in the URL either: who may ask how a token starts knows it after some questions.
    """

    def lookup_allowed(self, lookup: str, value: str, request: HttpRequest) -> bool:
        """Allow the fields that the page shows."""
        return lookup.split("__")[0] in self.fields and super().lookup_allowed(lookup, value, request)

    def has_add_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        """Refuse."""
        return False

    def has_change_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        """Refuse."""
        return False


@admin.register(Session)
class SessionAdmin(ReadOnlyAdmin):
    """Logins; to revoke one is to log that phone out at once."""

    list_display = ("user", "created_at", "revoked_at")
    list_filter = (("revoked_at", admin.EmptyFieldListFilter),)
    list_select_related = ("user",)
    search_fields = ("user__email",)
    date_hierarchy = "created_at"
    actions = ("revoke",)
    fields = ("user", "created_at", "revoked_at")

    def has_revoke_permission(self, request: HttpRequest) -> bool:
        """Let those revoke who may delete."""
        return bool(self.has_delete_permission(request))

    @admin.action(description=_("Revocar las sesiones seleccionadas"), permissions=["revoke"])
    def revoke(self, request: HttpRequest, sessions: QuerySet[Session]) -> HttpResponse | None:
        """Ask, then end the sessions that are open."""
        chosen = Session.objects.filter(pk__in=sessions)
        if "confirmed" not in request.POST:
            context = {
                **self.admin_site.each_context(request),
                "title": _("Revocar sesiones"),
                "opts": self.opts,
                "sessions": chosen.open().select_related("user"),
                "selected": request.POST.getlist(ACTION_CHECKBOX_NAME),
                "action_checkbox_name": ACTION_CHECKBOX_NAME,
                "select_across": request.POST.get("select_across", "0"),
            }
            return TemplateResponse(request, "accounts/admin/revoke_sessions.html", context)
        revoked = chosen.revoke()
        text = ngettext("Se revocó %(count)d sesión.", "Se revocaron %(count)d sesiones.", revoked) % {"count": revoked}
        self.message_user(request, text, messages.SUCCESS)
        return None


@admin.register(PushToken)
class PushTokenAdmin(ReadOnlyAdmin):
    """Phones that get push messages."""

    list_display = ("user", "device_name", "platform", "updated_at")
    list_filter = ("platform",)
    list_select_related = ("user",)
    search_fields = ("user__email", "device_name")
    fields = ("user", "device_name", "platform", "updated_at")
