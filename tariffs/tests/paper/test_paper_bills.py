import json
from collections.abc import Callable
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from typing import Any

import pytest
from django.core.exceptions import ValidationError
from django.db import IntegrityError, transaction
from django.test import Client
from django.urls import reverse
from hypothesis import HealthCheck, given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st
from rest_framework.test import APIClient

from accounts.models import Contract, Home, Membership, User
from accounts.services import contract_change
from conftest import client_of, make_user
from devices.models import Device
from tariffs.exceptions import BillOverlaps
from tariffs.models import PaperBill
from tariffs.services import paper_bill_add, paper_bill_delete
from tariffs.tests.homes import used_hourly

URL = "/api/v1/bills"
pytestmark = pytest.mark.django_db
FEBRUARY, APRIL, JUNE = date(2026, 2, 18), date(2026, 4, 18), date(2026, 6, 20)
PAPER = {"period_start": "2026-04-18", "period_end": "2026-06-20", "kwh": 328, "total_mxn": 404}
NOT_THERE = {"detail": "Recibo no encontrado o no pertenece a tu hogar."}


def _add(home: Home, start: date = APRIL, end: date = JUNE, kwh: int = 328) -> PaperBill:
    return paper_bill_add(home=home, start=start, end=end, kwh=kwh, total_mxn=Decimal(404))


def _post(api: APIClient, **changes: Any) -> Any:
    return api.post(URL, PAPER | changes, format="json")


@pytest.mark.parametrize(
    ("fields", "constraint"),
    [
        ({"end": APRIL}, "tariffs_paperbill_period"),
        ({"end": APRIL + timedelta(days=101)}, "tariffs_paperbill_period"),
        ({"kwh": 1_000_001}, "tariffs_paperbill_amounts"),
        ({"kwh": -1}, "tariffs_paperbill_(amounts|kwh_check)"),
        ({"total_mxn": Decimal("-0.01")}, "tariffs_paperbill_amounts"),
        ({"start": APRIL - timedelta(days=1)}, "tariffs_paperbill_overlap"),
    ],
)
def test_the_database_refuses_a_bill_that_can_t_be(home: Home, fields: dict[str, Any], constraint: str) -> None:
    PaperBill.objects.create(home=home, start=FEBRUARY, end=APRIL, kwh=1, total_mxn=1)
    values = {"home": home, "start": APRIL, "end": JUNE, "kwh": 1, "total_mxn": Decimal(1)}
    with pytest.raises(IntegrityError, match=constraint), transaction.atomic():
        PaperBill.objects.create(**values | fields)


def test_bills_may_touch_and_homes_don_t_mind_each_other(home: Home, stranger: User) -> None:
    PaperBill.objects.create(home=home, start=FEBRUARY, end=APRIL, kwh=1, total_mxn=1)
    PaperBill.objects.create(home=home, start=APRIL, end=JUNE, kwh=1, total_mxn=1)
    PaperBill.objects.create(home=stranger.home, start=APRIL, end=JUNE, kwh=1, total_mxn=1)
    assert PaperBill.objects.count() == 3


def test_an_overlap_is_a_conflict_and_leaves_nothing(home: Home) -> None:
    _add(home)
    with pytest.raises(BillOverlaps):
        _add(home, JUNE - timedelta(days=1), JUNE + timedelta(days=60))
    assert PaperBill.objects.count() == len(Contract.objects.filter(home=home)) - 1 == 1


def test_the_form_says_in_spanish_what_the_database_would_refuse(home: Home) -> None:
    _add(home)
    with pytest.raises(ValidationError, match="Ya hay un recibo que cubre parte de ese periodo"):
        PaperBill(home=home, start=JUNE - timedelta(days=2), end=JUNE, kwh=1, total_mxn=1).full_clean()
    with pytest.raises(ValidationError, match="de 1 a 100 días"):
        PaperBill(home=home, start=FEBRUARY, end=FEBRUARY, kwh=1, total_mxn=1).full_clean()
    with pytest.raises(ValidationError, match="de 1 a 100 días"):
        PaperBill(home=home, start=APRIL, end=FEBRUARY, kwh=1, total_mxn=1).full_clean()
    PaperBill(home=home, start=FEBRUARY, end=APRIL, kwh=1, total_mxn=1).full_clean()


@pytest.mark.parametrize(("start", "months"), [(date(2026, 5, 20), 1), (date(2026, 5, 5), 2), (APRIL, 2)])
def test_the_newest_bill_says_when_the_meter_is_read(home: Home, start: date, months: int) -> None:
    _add(home, start)
    before, after = Home.objects.get(pk=home.pk).contract_versions
    assert (before.last_reading, before.billing_months) == (None, 1)
    assert (after.valid_from, after.last_reading, after.billing_day, after.billing_months) == (JUNE, JUNE, 20, months)


def test_a_mistyped_bill_can_be_typed_in_again(home: Home) -> None:
    _add(home, FEBRUARY, APRIL)
    paper_bill_delete(bill=_add(home))
    assert [version.last_reading for version in Home.objects.get(pk=home.pk).contract_versions] == [None, APRIL]
    _add(home, end=JUNE - timedelta(days=5))
    assert Home.objects.get(pk=home.pk).contract.billing_day == 15


def test_a_version_that_says_more_than_the_bill_stays_when_that_goes(home: Home) -> None:
    older, newer = _add(home, FEBRUARY, APRIL), _add(home)
    contract_change(home=home, valid_from=JUNE, tariff="1B")
    for bill in (older, newer):
        paper_bill_delete(bill=bill)
    versions = Home.objects.get(pk=home.pk).contract_versions
    assert [(version.valid_from, version.tariff) for version in versions][1:] == [(APRIL, "1F"), (JUNE, "1B")]


def test_an_older_bill_says_nothing_of_it(home: Home) -> None:
    _add(home)
    _add(home, FEBRUARY, APRIL)
    assert [version.valid_from for version in Home.objects.get(pk=home.pk).contract_versions][1:] == [JUNE]


def test_a_reading_that_the_contract_knows_changes_nothing(home: Home) -> None:
    contract_change(home=home, valid_from=APRIL, last_reading=JUNE, billing_months=1)
    _add(home)
    assert [version.valid_from for version in Home.objects.get(pk=home.pk).contract_versions][1:] == [APRIL]


def test_no_version_of_the_contract_gives_way_to_a_bill(home: Home) -> None:
    contract_change(home=home, valid_from=JUNE + timedelta(days=1), tariff="1C")
    _add(home)
    assert [version.tariff for version in Home.objects.get(pk=home.pk).contract_versions] == ["1F", "1C"]


def test_a_home_without_a_contract_may_have_bills(home: Home) -> None:
    Contract.objects.all().delete()
    home.refresh_from_db()
    bill = _add(home)
    paper_bill_delete(bill=bill)
    assert not home.paper_bills.exists()


def test_a_bill_is_typed_in_listed_and_deleted(api: APIClient) -> None:
    answer = _post(api)
    body = answer.json()
    assert answer.status_code == 201
    assert body == {"id": body["id"], **PAPER, "days": 63, "average_kwh_day": 5.21}
    assert b'"total_mxn":404.0' in answer.content
    assert api.get(URL).json() == [body]
    answer = api.delete(f"{URL}/{body['id']}")
    assert (answer.status_code, answer.content) == (204, b"")
    assert api.get(URL + "/").json() == []


def test_the_newest_bill_comes_first(api: APIClient, home: Home) -> None:
    for start, end in ((FEBRUARY, APRIL), (APRIL, JUNE), (FEBRUARY - timedelta(days=60), FEBRUARY)):
        _add(home, start, end)
    assert [bill["period_end"] for bill in api.get(URL).json()] == ["2026-06-20", "2026-04-18", "2026-02-18"]


def test_an_overlap_is_told_in_a_sentence(api: APIClient) -> None:
    _post(api)
    answer = _post(api, period_start="2026-06-19", period_end="2026-08-20")
    assert (answer.status_code, answer.json()) == (409, {"detail": "Ya hay un recibo que cubre parte de ese periodo."})


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("period_start", "18/04/2026"),
        ("period_start", None),
        ("period_end", "2026-04-18"),
        ("period_end", "2026-07-28"),
        ("period_end", "2099-01-01"),
        ("kwh", -1),
        ("kwh", 328.5),
        ("kwh", 1_000_001),
        ("kwh", "mucho"),
        ("total_mxn", -1),
        ("total_mxn", 404.123),
        ("total_mxn", 10_000_001),
        ("total_mxn", None),
    ],
)
def test_what_no_bill_says_is_refused(api: APIClient, field: str, value: Any) -> None:
    answer = _post(api, **{field: value})
    assert answer.status_code == 422
    assert [problem["loc"] for problem in answer.json()["detail"]] == [["body", field]]
    assert not PaperBill.objects.exists()


def test_a_meter_read_today_is_not_in_the_future(api: APIClient, home: Home) -> None:
    period = {"period_start": str(home.today - timedelta(days=60)), "period_end": str(home.today)}
    assert _post(api, **period).status_code == 201
    period = {"period_start": str(home.today), "period_end": str(home.today + timedelta(days=1))}
    assert _post(api, **period).json()["detail"][0]["msg"] == "El periodo termina en el futuro."


def test_everything_that_is_missing_is_told_at_once(api: APIClient) -> None:
    detail = api.post(URL, {}, format="json").json()["detail"]
    assert [problem["loc"][1] for problem in detail] == ["period_start", "period_end", "kwh", "total_mxn"]


def test_bills_need_a_login(anonymous_api: APIClient) -> None:
    answers = [anonymous_api.get(URL), anonymous_api.post(URL, PAPER), anonymous_api.delete(f"{URL}/1")]
    assert [answer.status_code for answer in answers] == [401] * 3


@pytest.mark.parametrize("text", ["0", "9" * 19, "9" * 40, "-1", "x", "1.0", "१"])
def test_what_is_no_bill_of_the_home_is_not_there(api: APIClient, stranger_api: APIClient, home: Home, text: str) -> None:
    bill = _add(home)
    for client, key in ((api, text), (stranger_api, bill.pk)):
        answer = client.delete(f"{URL}/{key}")
        assert (answer.status_code, answer.json()) == (404, NOT_THERE)
    assert stranger_api.get(URL).json() == []
    assert PaperBill.objects.get() == bill


def test_a_viewer_reads_bills_and_changes_none(home: Home) -> None:
    bill = _add(home)
    viewer = client_of(make_user("invitado@example.com", home, Membership.Role.VIEWER))
    assert [shown["id"] for shown in viewer.get(URL).json()] == [bill.pk]
    answers = [_post(viewer, period_start="2026-02-18", period_end="2026-04-18"), viewer.delete(f"{URL}/{bill.pk}")]
    assert [answer.status_code for answer in answers] == [403, 403]
    assert PaperBill.objects.get() == bill


def test_a_list_is_a_constant_number_of_queries(
    api: APIClient, home: Home, django_assert_num_queries: Callable[[int], Any]
) -> None:
    for months in range(12):
        end = date(2026, months + 1, 1)
        PaperBill.objects.create(home=home, start=end - timedelta(days=28), end=end, kwh=1, total_mxn=1)
    with django_assert_num_queries(3):  # user, home, bills
        assert len(api.get(URL).json()) == 12


text = st.text(st.characters(codec=None), max_size=50)
plausible = st.sampled_from(["2026-04-18", "2026-06-20", "20 JUN 26", 328, "328", 404.92, True, "a\0b", "\ud800", 1e400, -1])
anything = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | text,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(text, inner, max_size=3),
    max_leaves=5,
)


@hypothesis_settings(max_examples=60, deadline=None, suppress_health_check=list(HealthCheck))
@given(body=st.dictionaries(st.sampled_from(list(PAPER)), plausible | anything) | anything)
def test_no_body_crashes_the_typing_in(owner: User, body: Any) -> None:
    answer = client_of(owner).generic("POST", URL, json.dumps(body), content_type="application/json")
    assert answer.status_code in {201, 409, 422}
    if answer.status_code != 201:
        detail = answer.json()["detail"]
        assert detail if isinstance(detail, str) else detail[0]["msg"]


def test_staff_find_the_bills_of_a_home(home: Home) -> None:
    bill, staff = _add(home), Client()
    staff.force_login(User.objects.create_superuser("admin@example.com", "una-clave-larga-1", name="Admin"))
    shown = staff.get(reverse("admin:tariffs_paperbill_changelist"), {"q": "dueno@example.com"})
    assert "328" in shown.content.decode()
    form = {"home": home.pk, "start": "2026-06-01", "end": "2026-07-20", "kwh": 1, "total_mxn": 1}
    answer = staff.post(reverse("admin:tariffs_paperbill_add"), form)
    assert "Ya hay un recibo que cubre parte de ese periodo." in answer.content.decode()
    answer = staff.post(reverse("admin:tariffs_paperbill_change", args=[bill.pk]), form | {"kwh": 329})
    bill.refresh_from_db()
    assert (answer.status_code, bill.kwh) == (302, 329)


@pytest.mark.parametrize(
    ("changes", "fields"),
    [
        ({"kwh": 999_999, "total_mxn": 1}, {"kwh", "total_mxn"}),
        ({"kwh": 999_999, "total_mxn": 5_000_000}, {"kwh"}),
        ({"total_mxn": 1}, {"total_mxn"}),
        ({"total_mxn": 0}, {"total_mxn"}),
        ({"total_mxn": 90_000}, {"total_mxn"}),
        ({"kwh": 0, "total_mxn": 57}, set()),
        ({"total_mxn": 1077.92}, set()),  # with a deposit of 673
        ({"kwh": 1611, "total_mxn": 3790.96}, set()),
        ({"kwh": 2545, "total_mxn": 8304.21}, set()),
        ({"kwh": 1500, "total_mxn": 14_000}, set()),  # in DAC, which the contract does not know yet
    ],
)
def test_a_bill_of_impossible_figures_is_kept_only_when_confirmed(
    api: APIClient, home: Home, prices: None, changes: dict[str, Any], fields: set[str]
) -> None:
    answer = _post(api, **changes)
    if not fields:
        assert answer.status_code == 201
        return
    detail = answer.json()["detail"]
    assert (answer.status_code, {error["type"] for error in detail}) == (422, {"implausible"})
    assert {tuple(error["loc"]) for error in detail} == {("body", field) for field in fields}
    assert all(error["msg"].endswith("si así está impreso, confírmalo.") for error in detail)
    assert (PaperBill.objects.count(), home.contracts.count()) == (0, 1)
    assert _post(api, **changes, confirm=True).status_code == 201


def test_a_bill_is_judged_by_the_discount_and_the_scheme_of_its_contract(api: APIClient, home: Home, prices: None) -> None:
    assert _post(api, kwh=1000, total_mxn=90).status_code == 422
    contract_change(home=home, valid_from=date(2026, 1, 1), discount_share=Decimal("0.95"))
    assert _post(api, kwh=1000, total_mxn=120).status_code == 201


def test_a_bill_is_judged_by_those_of_the_home_before(api: APIClient, home: Home) -> None:
    _add(home, FEBRUARY, APRIL, kwh=590)  # 10 kWh a day
    answer = _post(api, kwh=2_600)
    assert answer.json()["detail"][0]["loc"] == ["body", "kwh"]
    assert "hasta unos 40." in answer.json()["detail"][0]["msg"]
    assert _post(api, kwh=2_400).status_code == 201


@pytest.mark.parametrize(
    ("is_main", "kwh", "status"),
    [(True, 100, 422), (True, 3_000, 422), (True, 1_000, 201), (False, 100, 422), (False, 3_000, 201)],
)
def test_a_bill_is_judged_by_what_the_meters_saw(
    api: APIClient, home: Home, meter: Device, is_main: bool, kwh: int, status: int
) -> None:
    meter.is_main = is_main
    meter.save()
    used_hourly(meter, datetime(2026, 4, 18, 6, tzinfo=UTC), datetime(2026, 6, 20, 6, tzinfo=UTC), lambda _hour: 500)  # 756 kWh
    assert _post(api, kwh=kwh).status_code == status


def test_the_sentences_hold_no_number_that_the_app_takes_for_a_status(api: APIClient, prices: None) -> None:
    for kwh, total in ((4040, 1), (4014, 1), (401, 99_999), (999_999, 1), (3450, 404_000)):
        text = " ".join(error["msg"] for error in _post(api, kwh=kwh, total_mxn=total).json()["detail"])
        assert "401" not in text
        assert "404" not in text


def test_the_admin_asks_again_for_a_bill_of_impossible_figures(staff: Client, home: Home, prices: None) -> None:
    page = reverse("admin:tariffs_paperbill_add")
    form = {"home": home.pk, "start": "2026-04-18", "end": "2026-06-20", "kwh": "999999", "total_mxn": "1"}
    text = staff.post(page, form).content.decode()
    assert "si así está impreso, confírmalo" in text
    assert "Es correcto: guardar así" in text
    assert not PaperBill.objects.exists()
    assert staff.post(page, form | {"confirm": "on"}).status_code == 302
    assert PaperBill.objects.get().kwh == 999_999
    backwards = form | {"start": "2026-06-20", "end": "2026-04-18"}
    assert "de 1 a 100 días" in staff.post(page, backwards).content.decode()
