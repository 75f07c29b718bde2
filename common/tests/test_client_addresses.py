import pytest

from common.client_addresses import client_address, household_of


@pytest.mark.parametrize(
    ("peer", "forwarded", "proxies", "expected"),
    [
        ("9.9.9.9", "", 0, "9.9.9.9"),
        ("9.9.9.9", "1.1.1.1", 0, "9.9.9.9"),
        ("9.9.9.9", "", 1, "9.9.9.9"),
        ("9.9.9.9", "1.1.1.1", 1, "1.1.1.1"),
        ("9.9.9.9", "6.6.6.6, 1.1.1.1", 1, "1.1.1.1"),
        ("9.9.9.9", "6.6.6.6, 1.1.1.1,2.2.2.2", 2, "1.1.1.1"),
        ("9.9.9.9", "1.1.1.1", 3, "1.1.1.1"),
        (None, "1.1.1.1", 0, None),
    ],
)
def test_a_caller_is_whom_our_own_proxies_saw(peer: str | None, forwarded: str, proxies: int, expected: str | None) -> None:
    assert client_address(peer, forwarded, proxies) == expected


@pytest.mark.parametrize(
    ("address", "expected"),
    [
        ("189.203.1.2", "189.203.1.2"),
        ("::ffff:189.203.1.2", "189.203.1.2"),
        ("2806:2f0:1::5", "2806:2f0:1::/64"),
        ("192.168.1.2", None),
        ("100.64.0.1", None),
        ("::1", None),
        ("not an address", None),
        ("", None),
        (None, None),
    ],
)
def test_a_household_is_a_public_address_or_network(address: str | None, expected: str | None) -> None:
    assert household_of(address) == expected
