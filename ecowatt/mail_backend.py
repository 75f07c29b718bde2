"""Mail where no mail service is configured: on the console and as `.eml` files to open."""

import sys
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path
from uuid import uuid4

from django.conf import settings
from django.core.mail import EmailMessage
from django.core.mail.backends.base import BaseEmailBackend


class OutboxBackend(BaseEmailBackend):
    """Write each message to `OUTBOX_DIR` as an `.eml` file and its text to the console."""

    def send_messages(self, email_messages: Sequence[EmailMessage]) -> int:
        """Store the messages and return how many there were."""
        folder = Path(settings.OUTBOX_DIR)
        folder.mkdir(parents=True, exist_ok=True)
        for message in email_messages:
            path = folder / f"{datetime.now(UTC):%Y%m%dT%H%M%S}-{uuid4().hex[:8]}.eml"
            path.touch(mode=0o600)
            path.write_bytes(message.message().as_bytes())
            print(f"Mail to {', '.join(message.to)}: {message.subject}\n{message.body}\n(saved as {path})", file=sys.stderr)
        return len(email_messages)
