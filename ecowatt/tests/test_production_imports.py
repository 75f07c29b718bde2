"""What a production process loads: nothing of `ecowatt.dev`, which requirements/base.txt has no packages for."""

import subprocess
import sys

import pytest

from ecowatt.env_files import ROOT

PROCESSES = {
    "command": "import runpy; sys.argv = ['manage.py', 'check']; runpy.run_path('manage.py', run_name='__main__')",
    "web": "import ecowatt.asgi",
    "worker": "from ecowatt.celery import app; import django; django.setup(); app.loader.import_default_modules()",
}
LOADED = "; print('ecowatt.settings' in sys.modules, [name for name in sys.modules if name.startswith('ecowatt.dev')])"


@pytest.mark.parametrize("process", PROCESSES)
def test_a_process_whose_services_the_environment_names_loads_nothing_of_development(process: str) -> None:
    script = f"import sys; {PROCESSES[process]}{LOADED}"
    done = subprocess.run([sys.executable, "-c", script], cwd=ROOT, capture_output=True, text=True, check=True)
    assert done.stdout.splitlines()[-1] == "True []"
