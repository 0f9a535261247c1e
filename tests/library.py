"""A folder of documents of every kind, and what a user asks about them: for tests of the knowledge
base."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from fpdf import FPDF

from harness import KernelProcess

MARKDOWN = """# The lighthouse

The tower was built of granite in 1857.

## The lamp

The lamp burns rapeseed oil, and its keeper trims the wick at dusk.

## The stairs

```
# not a heading: 199 steps
climb(199)
```
"""

HTML = """<!doctype html>
<html><head><title>Harbour rules</title><style>p { color: red }</style></head>
<body>
<nav>Home Contact Imprint</nav>
<main>
<h1>Harbour rules</h1>
<p>Every vessel reports to the harbourmaster on channel twelve.</p>
<h2>Anchoring</h2>
<p>Anchoring in the fairway
is forbidden.</p>
<script>track("visitor")</script>
</main>
<footer>Copyright</footer>
</body></html>
"""

PYTHON = '''"""Tides."""

import math


# Rises and falls twice a day.
def tide_height(hours: float) -> float:
    """Metres above the chart datum."""
    return 2.5 * math.cos(hours / 12.42 * 2 * math.pi)


class Almanac:
    def moonrise(self, day: int) -> str:
        return f"{day % 24:02d}:50"
'''

CSV = """ship,captain,cargo
Aurora,Ingrid Solberg,timber
Bellona,Tomasz Wilk,"salt, in sacks"
"""

TEXT = "The ferry leaves at seven.\r\n\r\nOn Sundays it leaves at nine.\r\n"

PDF_PAGES = ["The breakwater was damaged by the storm.", "The repair will cost forty thousand."]


def write_folder(folder: Path) -> Path:
    """One document of each kind, a picture, and what a folder has that nobody wants to read."""
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "lighthouse.md").write_text(MARKDOWN)
    (folder / "rules.html").write_text(HTML)
    (folder / "tides.py").write_text(PYTHON)
    (folder / "ships.csv").write_text(CSV)
    (folder / "ferry.txt").write_bytes(TEXT.encode())
    write_pdf(folder / "report.pdf", PDF_PAGES)
    (folder / "chart.png").write_bytes(b"\x89PNG\r\n\x1a\n\0\0\0\rIHDR")
    (folder / ".hidden.md").write_text("The password is swordfish.")
    (folder / "node_modules").mkdir(exist_ok=True)
    (folder / "node_modules" / "left.js").write_text("module.exports = 1")
    return folder


def write_pdf(path: Path, pages: list[str]) -> None:
    pdf = FPDF()
    pdf.set_font("Helvetica", size=12)
    for text in pages:
        pdf.add_page()
        pdf.multi_cell(0, 8, text)
    pdf.output(str(path))


def llmos(kernel: KernelProcess, *arguments: str, status: int = 0) -> dict[str, Any]:
    """The JSON document of a verb that must end with that status."""
    run = kernel.llmos(*arguments, "--json")
    assert run.returncode == status, (arguments, run.stdout, run.stderr)
    document: dict[str, Any] = json.loads(run.stdout)
    return document


def search(
    kernel: KernelProcess, namespace: str, text: str, k: int = 1, status: int = 0
) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = llmos(
        kernel, "kb", namespace, "--search", text, "-k", str(k), status=status
    )["found"]
    return found


def cited(found: dict[str, Any]) -> list[tuple[str, str, int, int]]:
    """(name of the file, line or page, first, last) of every place."""
    return [
        (Path(one["path"]).name, one["unit"], one["first"], one["last"]) for one in found["cited"]
    ]
