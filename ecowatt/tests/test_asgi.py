"""What a web process does once, when it starts."""

import subprocess
import sys

from ecowatt.embedded import ROOT

STARTED = "import gc, sys, ecowatt.asgi; print(gc.get_freeze_count() > 10_000, 'accounts.api.views' in sys.modules)"


def test_what_a_web_process_loads_is_loaded_at_start_and_never_walked_by_the_garbage_collector() -> None:
    started = subprocess.run([sys.executable, "-c", STARTED], cwd=ROOT, capture_output=True, text=True, check=True)
    assert started.stdout.split() == ["True", "True"]
