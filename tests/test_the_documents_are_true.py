"""What the documents name is there, and what they show works."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
DOCUMENTS = (
    "README.md",
    "CONTRIBUTING.md",
    "docs/architecture.md",
    "docs/configuration.md",
    "docs/engines.md",
    "docs/mcp.md",
    "docs/memory.md",
    "docs/plugins.md",
    "docs/plugins-built-in.md",
    "docs/processes.md",
    "docs/scheduling.md",
    "docs/teams.md",
    "docs/sessions.md",
    "docs/scripting.md",
    "docs/seeing.md",
    "docs/tracing.md",
    "examples/README.md",
    "pilot/MODEL_CARD.md",
)
ROOMS = (
    "config|gateway|kernel|memory|syscalls|plugins|scripting|shell|pilot|trace"
    "|tests|bench|docs|examples|requirements"
)
ENDINGS = "py|md|sh|txt|json|toml|ipynb|jinja"


@pytest.mark.parametrize("name", DOCUMENTS)
def test_every_file_that_is_named_exists(name: str) -> None:
    text = (ROOT / name).read_text()
    named = set(re.findall(rf"(?<![\w/.])(?:{ROOMS})/[\w/.-]*\w\.(?:{ENDINGS})\b", text))
    missing = [path for path in sorted(named) if not (ROOT / path).exists()]
    assert not missing


def test_every_make_target_that_is_named_exists() -> None:
    makefile = (ROOT / "Makefile").read_text()
    for name in DOCUMENTS:
        text = (ROOT / name).read_text()
        for target in re.findall(r"(?:^|`)make ([a-z]+(?:-[a-z]+)?)(?![\w-])", text, re.M):
            bench = target.removeprefix("bench-")
            known = re.search(rf"^{target}:", makefile, re.MULTILINE)
            assert known or (ROOT / "bench" / f"{bench}.py").exists(), target


def test_every_verb_that_the_readme_shows_is_one() -> None:
    readme = (ROOT / "README.md").read_text()
    shown = set(re.findall(r"(?:^|\| |; )llmos ([a-z]+)\b", readme, re.MULTILINE))
    help_text = subprocess.run(
        [sys.executable, "-m", "llmos", "help"], capture_output=True, text=True, check=True
    ).stdout
    verbs = set(re.findall(r"^\s*([a-z]+)\b", help_text, re.MULTILINE))
    assert {"run", "ps", "boot"} <= shown <= verbs, shown - verbs


def test_the_plugins_of_the_page_about_plugins_are_whole(tmp_path: Path) -> None:
    from llmos.syscalls.loader import load_file

    text = (ROOT / "docs" / "plugins.md").read_text()
    blocks = re.findall(r"```python\n(.*?)```", text, re.DOTALL)
    whole = [block for block in blocks if "@syscall" in block]
    names = []
    for index, block in enumerate(whole):
        path = tmp_path / f"plugin_{index}.py"
        path.write_text(block)
        names += [call.spec.name for call in load_file(path, path.stem)]
    assert names == ["roll_dice", "sum_up"]


def test_every_hook_and_option_of_plugins_is_on_their_page() -> None:
    import inspect

    from llmos.syscalls.decorator import marked
    from llmos.syscalls.hooks import names

    text = (ROOT / "docs" / "plugins.md").read_text()
    options = [name for name in inspect.signature(marked).parameters if name != "function"]
    assert {"timeout", "approve"} <= set(options)
    for name in (*names(), *options):
        assert re.search(rf"`{name}\b", text), f"{name} is not on the page"


def test_the_readmes_plugin_is_a_whole_plugin(tmp_path: Path) -> None:
    blocks = re.findall(r"```python\n(.*?)```", (ROOT / "README.md").read_text(), re.DOTALL)
    (source,) = (block for block in blocks if "@syscall" in block)
    path = tmp_path / "shout.py"
    path.write_text(source)
    from llmos.syscalls.loader import load_file

    (syscall,) = load_file(path, "shout")
    assert syscall.spec.name == "shout"
    assert syscall.function("hi") == "HI"
