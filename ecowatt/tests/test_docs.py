"""What the guides name is there: files, modules, tests."""

import re
from pathlib import Path

import pytest
from django.conf import settings

ROOT = Path(settings.BASE_DIR)
GUIDES = sorted(
    [ROOT / "README.md", *(ROOT / "docs").glob("*.md"), *(ROOT / "deploy").glob("*/README.md"), ROOT / "fixtures" / "README.md"]
)
APPS = "common|accounts|devices|telemetry|tariffs|analysis|reports|ecowatt|benchmarks"
PATH = re.compile(
    rf"`((?:{APPS}|deploy|docs|fixtures|requirements)/[\w./*-]*|[\w.-]+\.(?:py|md|csv|json|json\.gz|conf|acl|js|in|txt))`"
)
MODULE = re.compile(rf"`((?:{APPS})(?:\.\w+)+)`")
TEST = re.compile(r"`(test_\w+)_?…`")
LINK = re.compile(r"\]\((?!http)([^)#]+)\)")
# Names of files that an app may have, in the tables of what they hold.
KINDS = {"models.py", "querysets.py", "services.py", "selectors.py", "sql.py", "consumers.py", "tasks.py", "admin.py"}
WRITTEN = {"benchmarks/results"}  # by `make bench`


def named(pattern: re.Pattern[str], guide: Path) -> list[str]:
    return pattern.findall(guide.read_text(encoding="utf-8"))


def exists(name: str, guide: Path) -> bool:
    return any((folder / name).exists() for folder in (ROOT, guide.parent, ROOT / "benchmarks"))


@pytest.mark.parametrize("guide", GUIDES, ids=lambda guide: str(guide.relative_to(ROOT)))
def test_every_path_that_a_guide_names_exists(guide: Path) -> None:
    paths = {name for name in named(PATH, guide) if name not in KINDS | WRITTEN}
    assert not {name for name in paths if not exists(name, guide)}
    assert not {link for link in named(LINK, guide) if not (guide.parent / link).exists()}


@pytest.mark.parametrize("guide", GUIDES, ids=lambda guide: str(guide.relative_to(ROOT)))
def test_every_module_that_a_guide_names_exists(guide: Path) -> None:
    for name in named(MODULE, guide):
        parts = name.split(".")
        found = any(
            (ROOT.joinpath(*parts[:length]).with_suffix(".py")).exists()
            or (ROOT.joinpath(*parts[:length]) / "__init__.py").exists()
            for length in range(2, len(parts) + 1)
        )
        assert found, name


def test_every_test_that_a_guide_names_exists() -> None:
    tests = " ".join(path.read_text(encoding="utf-8") for path in ROOT.glob("*/tests/**/test_*.py"))
    names = [name for guide in GUIDES for name in named(TEST, guide)]
    assert len(names) > 5
    assert not [name for name in names if f"def {name}" not in tests]


def test_the_page_on_architecture_names_files_in_every_app() -> None:
    paths = named(PATH, ROOT / "docs" / "architecture.md")
    assert len(paths) > 20
    assert {path.split("/")[0] for path in paths} >= {"common", "devices", "telemetry", "tariffs", "analysis", "ecowatt"}
