"""The page about scripts counts three of them and the same in frameworks, as they stand here."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).parent.parent / "bench"))

from code_lines import lines_of_code

ROOT = Path(__file__).parent.parent
COLUMNS = ("llmos", "openai-agents", "langgraph", "crewai", "autogen")
ROWS = {
    "map_reduce": "map-reduce",
    "writer_and_critic": "writer and critic",
    "supervisor": "jobs that are restarted",
}


def found() -> dict[str, Any]:
    record: dict[str, Any] = json.loads(
        (ROOT / "bench" / "results" / "frameworks.json").read_text()
    )
    return record


def test_lines_with_code_are_counted_and_no_others() -> None:
    text = '"""Words."""\n\nimport os  # why\n\n\ndef f():\n    """Words,\n    more."""\n'
    text += "    # a reason\n    return (\n        os.name\n    )\n\n\nTEXT = '''a\nb'''\n"
    assert lines_of_code(text) == 7


def test_the_figures_are_of_the_programs_that_are_here() -> None:
    for framework, counted in found()["figures"]["lines"].items():
        folder = (
            ROOT / "examples" if framework == "llmos" else ROOT / "bench/frameworks" / framework
        )
        now = {name: lines_of_code((folder / f"{name}.py").read_text()) for name in ROWS}
        assert now == counted, framework


def test_the_page_has_the_figures_and_the_versions() -> None:
    page = (ROOT / "docs" / "scripting.md").read_text()
    record = found()
    lines = record["figures"]["lines"]
    for name, words in ROWS.items():
        row = next(row for row in page.splitlines() if row.startswith(f"| {words}"))
        assert [int(cell) for cell in row.split("|")[2:-1]] == [lines[one][name] for one in COLUMNS]
        assert all(lines["llmos"][name] < lines[one][name] for one in COLUMNS[1:])
    for packages in record["details"]["versions"].values():
        assert next(iter(packages.values())) in page
