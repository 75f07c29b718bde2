import stat
from email import message_from_bytes, policy
from pathlib import Path

import pytest
from django.core.mail import EmailMultiAlternatives, get_connection
from pytest_django.fixtures import Settings


def test_without_a_mail_service_mail_is_shown_and_kept_as_a_file_to_open(
    settings: Settings, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    settings.OUTBOX_DIR = tmp_path / "outbox"
    mail = EmailMultiAlternatives("Tu código", "Pega este código: añejo-1", "EcoWatt <no-reply@localhost>", ["ana@example.com"])
    mail.attach_alternative("<p>Pega este código</p>", "text/html")
    sent = get_connection("ecowatt.mail_backend.OutboxBackend").send_messages([mail, mail])
    assert sent == 2
    files = list((tmp_path / "outbox").glob("*.eml"))
    assert len(files) == 2
    assert stat.S_IMODE(files[0].stat().st_mode) == 0o600
    read = message_from_bytes(files[0].read_bytes(), policy=policy.default)
    assert (read["Subject"], read["To"]) == ("Tu código", "ana@example.com")
    assert "añejo-1" in read.get_body(("plain",)).get_content()
    assert "<p>" in read.get_body(("html",)).get_content()
    shown = capsys.readouterr().err
    assert "Mail to ana@example.com: Tu código\nPega este código: añejo-1" in shown
    assert str(files[0]) in shown
