"""Kept commands: sent as soon as their devices are back. Every process that devices send to looks for them; each is sent by one."""

from common.async_database import in_database
from devices.control.commands import command_begin, commands_claim
from devices.control.listeners import listener_of

# How often a process looks for them.
KEPT_COMMANDS_EVERY_S = 2.0


async def kept_send() -> int:
    """Send the commands whose devices are there, and return how many; their answers are not waited for. Raises django.db.Error."""
    commands = await in_database(commands_claim)
    for command in commands:
        listener = await in_database(listener_of, command.device)
        command_begin(command, listener)
    return len(commands)
