import logging
from secrets import token_urlsafe

import pytest
import structlog


def fail_with_a_secret() -> None:
    password = token_urlsafe()
    raise ValueError(len(password))


def test_a_traceback_on_the_console_shows_no_local_variables(caplog: pytest.LogCaptureFixture) -> None:
    try:
        fail_with_a_secret()
    except ValueError:
        logging.getLogger("test").exception("failed")
    console = next(one for one in logging.getLogger().handlers if isinstance(one.formatter, structlog.stdlib.ProcessorFormatter))
    printed = console.format(caplog.records[0])
    assert "fail_with_a_secret" in printed
    assert "password = '" not in printed
    assert "locals" not in printed
