"""`make docs` builds the site without a warning, and the reference is what the code says."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

from llmos.shell.verbs import TABLE

DOCS = Path(__file__).parent.parent / "docs"


def test_the_reference_is_made_from_todays_code() -> None:
    check = [sys.executable, str(DOCS / "make_reference.py"), "--check"]
    made = subprocess.run(check, capture_output=True, text=True)
    assert made.returncode == 0, f"{made.stdout}{made.stderr}: make reference"


def test_the_site_builds_without_a_warning(tmp_path: Path) -> None:
    build = [
        sys.executable,
        "-m",
        "sphinx",
        "-W",
        "-q",
        "-b",
        "html",
        "-d",
        str(tmp_path / "trees"),
    ]
    built = subprocess.run(
        [*build, str(DOCS), str(tmp_path / "site")], capture_output=True, text=True
    )
    assert built.returncode == 0, built.stderr
    verbs = (tmp_path / "site" / "reference" / "verbs.html").read_text()
    assert all(f'id="{name}"' in verbs for name in TABLE)
