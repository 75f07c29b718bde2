"""Paths below /api/v1; a slash at the end is optional."""

from django.urls import re_path

from accounts.api import views

urlpatterns = [
    re_path(r"^auth/login/?$", views.LoginView.as_view(), name="login"),
    re_path(r"^auth/refresh/?$", views.RefreshView.as_view(), name="refresh"),
    re_path(r"^auth/logout/?$", views.LogoutView.as_view(), name="logout"),
    re_path(r"^auth/forgot-password/?$", views.ForgotPasswordView.as_view(), name="forgot-password"),
    re_path(r"^auth/reset-password/?$", views.ResetPasswordView.as_view(), name="reset-password"),
    re_path(r"^users/?$", views.UsersView.as_view(), name="users"),
    re_path(r"^users/me/?$", views.MeView.as_view(), name="me"),
    re_path(r"^contract/?$", views.ContractView.as_view(), name="contract"),
    re_path(r"^fcm/register/?$", views.PushTokenView.as_view(), name="fcm-register"),
]
