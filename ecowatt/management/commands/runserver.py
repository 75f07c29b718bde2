"""Daphne's own runserver. Daphne as an installed app would load Twisted into every process, and only web processes need it."""

from daphne.management.commands.runserver import Command

__all__ = ["Command"]
