"""Accounts at the broker through Mosquitto's dynamic security plugin: its commands, and a connection that has them carried out.

The rules are those of deploy/mosquitto/ecowatt.acl. Verified with Mosquitto 2.0.11.
"""

import asyncio
import secrets
from collections.abc import Sequence
from typing import Any, NamedTuple

import orjson
from django.conf import settings

from common.async_tasks import end
from common.mqtt.connection import Connection, Login, Subscription
from common.mqtt.protocol import SHARED, V3
from devices.constants import RPC_REPLIES
from devices.control.exceptions import BrokerAway
from devices.validators import MAX_PREFIX_LEVELS

CONTROL = "$CONTROL/dynamic-security/v1"
RESPONSES = f"{CONTROL}/response"
ANSWER_S = 10.0
# An account takes about 2 kB, and deploy/mosquitto limits a message to 64 KiB.
MOST_AT_ONCE = 20

Command = dict[str, Any]


class Account(NamedTuple):
    """A device's login at the broker, and the prefixes of the only topics that it is for; it is told the first."""

    user: str
    password: str
    topic_prefixes: tuple[str, ...]


def _role_of(user: str) -> str:
    return f"device-{user}"


def _rules(kind: str, topics: Sequence[str]) -> list[Command]:
    return [{"acltype": kind, "topic": topic, "allow": True} for topic in topics]


def commands_to_remove(user: str) -> list[Command]:
    """Remove an account, if there is one; who is logged in with it is put out."""
    return [{"command": "deleteClient", "username": user}, {"command": "deleteRole", "rolename": _role_of(user)}]


def commands_to_make(account: Account) -> list[Command]:
    """Make an account, in place of the one that may be there."""
    written, read = [], ["shellies/command"]
    for prefix in account.topic_prefixes:
        # As devices.control.rpc names the reply topics, and ingest processes one level deeper.
        reply = account.user if "/" in prefix else prefix
        written += [f"{prefix}/#", *(f"{RPC_REPLIES}/{one}" for one in (reply, f"{reply}/rpc", f"+/{prefix}", f"+/{prefix}/rpc"))]
        read += [f"{prefix}/rpc", f"{prefix}/command", f"{prefix}/command/#"]
    rules = _rules("publishClientSend", written), _rules("subscribePattern", read)
    return _commands(account.user, account.password, _role_of(account.user), *rules)


def commands_for_ourselves(user: str, password: str) -> list[Command]:
    """Make EcoWatt's own account, and let nobody do what is not allowed to him."""
    levels = ["/".join(["+"] * count) for count in range(1, MAX_PREFIX_LEVELS + 1)]
    written = [f"{level}/{rest}" for level in levels for rest in ("rpc", "command/#")]
    read = [f"{level}/{rest}" for level in levels for rest in ("events/rpc", "status/+", "online")]
    read += [f"{SHARED}+/{one}" for one in read]  # the plugin looks at the whole name of a shared subscription
    read += [f"{RPC_REPLIES}/#", "$SYS/broker/publish/messages/dropped"]
    allowed = {"publishClientSend": False, "publishClientReceive": True, "subscribe": False, "unsubscribe": True}
    defaults = [{"acltype": kind, "allow": allow} for kind, allow in allowed.items()]
    return [
        {"command": "setDefaultACLAccess", "acls": defaults},
        *_commands(user, password, "ecowatt", _rules("publishClientSend", written), _rules("subscribePattern", read)),
    ]


def _commands(user: str, password: str, role: str, *rules: list[Command]) -> list[Command]:
    return [
        {"command": "deleteClient", "username": user},
        {"command": "deleteRole", "rolename": role},
        {"command": "createRole", "rolename": role, "acls": [rule for some in rules for rule in some]},
        {"command": "createClient", "username": user, "password": password, "roles": [{"rolename": role}]},
    ]


class Response(NamedTuple):
    """What the plugin said to a command: its error, empty for none, and its data."""

    error: str
    data: dict[str, Any]


async def carry_out(groups: Sequence[Sequence[Command]]) -> list[list[Response]]:
    """Have groups of commands carried out, each as a whole after the other; return their responses. Raises BrokerAway."""
    login = Login(
        host=settings.MQTT_BROKER_HOST,
        port=settings.MQTT_BROKER_PORT,
        client_id=f"ecowatt-accounts-{secrets.token_hex(8)}",
        user=settings.MQTT_DYNSEC_USER,
        password=settings.MQTT_DYNSEC_PASS,
        newest=V3,
    )
    connection = Connection(login, [Subscription(RESPONSES)])
    running = asyncio.create_task(connection.run())
    try:
        async with asyncio.timeout(ANSWER_S):
            await connection.wait_connected()
        done: list[list[Response]] = []
        for start in range(0, len(groups), MOST_AT_ONCE):
            async with asyncio.timeout(ANSWER_S):
                done += await _carried_out(connection, groups[start : start + MOST_AT_ONCE])
        return done
    except TimeoutError:
        raise BrokerAway from None
    finally:
        await connection.close()
        await end([running])


async def _carried_out(connection: Connection, groups: Sequence[Sequence[Command]]) -> list[list[Response]]:
    """Publish the commands in one message, and wait until each is answered. Raises BrokerAway."""
    batch = secrets.token_hex(8)
    names = [[f"{batch}-{number}-{place}" for place in range(len(group))] for number, group in enumerate(groups)]
    commands = [
        command | {"correlationData": name}
        for group, named in zip(groups, names, strict=True)
        for command, name in zip(group, named, strict=True)
    ]
    if not connection.publish(CONTROL, orjson.dumps({"commands": commands}), qos=1):
        raise BrokerAway
    said: dict[str, Response] = {}
    while not all(name in said for named in names for name in named):
        messages = await connection.take(MOST_AT_ONCE)
        connection.acknowledge(messages)
        for message in messages:
            for one in orjson.loads(message.payload)["responses"]:
                said[one.get("correlationData", "")] = Response(one.get("error", ""), one.get("data", {}))
    return [[said[name] for name in named] for named in names]
