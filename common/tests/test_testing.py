from common.testing import free_port, listens


def test_a_port_is_given_once_and_nobody_listens_on_it() -> None:
    ports = [free_port() for _ in range(100)]
    assert len(set(ports)) == 100
    assert not any(map(listens, ports))
    assert max(ports) < 32_768, "Linux gives higher ones to outgoing connections"
