"""Who may go on watching, without anybody having told of a change."""

import asyncio
from collections.abc import AsyncIterator, Callable
from typing import Any

import pytest
from asgiref.sync import sync_to_async
from django.db import connections

from accounts.models import Home, Membership, Session, User
from conftest import make_user
from devices.models import Device
from telemetry.live.access_checks import Access, AccessChecks, access_of, ended
from telemetry.live.hub import CloseCode, Frames


def access(user: User, device: Device) -> Access:
    found = access_of(Session.objects.create(user=user), device.pk)
    assert found is not None
    return found


def test_each_access_is_judged_by_its_own_session_user_and_device(
    owner: User, member: User, meter: Device, stranger: User, django_assert_num_queries: Callable[[int], Any]
) -> None:
    other = Device.objects.create(home=stranger.home, hardware_id="a8032412c3d5", name="Sala")
    mine, theirs, foreign = access(owner, meter), access(member, meter), access(stranger, other)
    second = access(owner, meter)
    with django_assert_num_queries(2):
        assert ended([mine, theirs, foreign, second]) == {}
    Session.objects.filter(pk=second.session_id).update(revoked_at="2026-11-24T12:00Z")
    Membership.objects.filter(user=member).delete()
    Membership.objects.create(user=member, home=stranger.home)  # sees another device now, and this one no more
    Device.objects.filter(pk=other.pk).update(home=Home.objects.create(name="Otra"))
    assert ended([mine, theirs, foreign, second]) == {
        theirs: CloseCode.GONE,
        foreign: CloseCode.GONE,
        second: CloseCode.SESSION_ENDED,
    }


def test_an_inactive_user_has_no_session(owner: User, meter: Device) -> None:
    mine = access(owner, meter)
    User.objects.update(is_active=False)
    assert ended([mine]) == {mine: CloseCode.SESSION_ENDED}


def test_nobody_has_access_to_another_homes_device(stranger: User, meter: Device) -> None:
    assert access_of(Session.objects.create(user=stranger), meter.pk) is None


@pytest.fixture
async def checks(transactional_db: None, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[AccessChecks]:
    monkeypatch.setattr("telemetry.live.access_checks.CHECK_S", 0.05)
    monkeypatch.setattr("telemetry.live.access_checks.ACCOUNT_CHANGES", "elsewhere")  # no news comes
    one = AccessChecks()
    yield one
    await one.close()
    await sync_to_async(connections.close_all)()


async def test_a_change_that_nobody_told_of_is_seen_at_the_next_look(checks: AccessChecks) -> None:
    user = await sync_to_async(make_user)("ana@example.com")
    home = await sync_to_async(lambda: user.home)()
    device = await sync_to_async(Device.objects.create)(home=home, hardware_id="a8032412c3d4", name="Cocina")
    frames = Frames()
    with checks.watched(await sync_to_async(access)(user, device), frames):
        frames.put_nowait("a frame that is no longer theirs")
        await sync_to_async(Membership.objects.all().delete)()
        async with asyncio.timeout(60):
            while (said := await frames.get()) != CloseCode.GONE:
                assert said == "a frame that is no longer theirs"
    assert checks.open_sockets == 0


async def test_a_user_has_so_many_sockets_in_a_process(checks: AccessChecks, settings: Any) -> None:
    settings.SOCKETS_PER_USER = 2
    with checks.watched(Access(1, 7, 1, "a"), Frames()):
        assert checks.has_room(7)
        with checks.watched(Access(2, 7, 1, "a"), Frames()):
            assert not checks.has_room(7)
            assert checks.has_room(8)
        assert checks.has_room(7)
