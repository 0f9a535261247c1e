"""An exported conversation has all that was said, and nothing in it changes what stands around."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from markdown_it import MarkdownIt

from conversing import llmos, sessions, told
from harness import KernelProcess

WILD = """```python
x = 1
````
<!-- never closed
# Conversation 99
~~~
"""


@pytest.fixture
def conversation(sim_kernel: KernelProcess, tmp_path: Path) -> str:
    """With calls, a result with fences in it, foreign Markdown, feedback."""
    (tmp_path / "wild.md").write_text(WILD)
    told(sim_kernel, tmp_path, "run", 'call read_file {"path": "wild.md"}')
    told(sim_kernel, tmp_path, "run", "-c", WILD)
    (one,) = sessions(sim_kernel, tmp_path)
    told(sim_kernel, tmp_path, "feedback", str(one["id"]), "bad", "````", "odd")
    return str(one["id"])


def test_json_is_complete(sim_kernel: KernelProcess, tmp_path: Path, conversation: str) -> None:
    llmos(sim_kernel, tmp_path, "export", conversation, "-o", "talk.json")
    document = json.loads((tmp_path / "talk.json").read_text())
    assert document["format"] == "llmos conversation 1"
    pages: list[dict[str, Any]] = document["pages"]
    assert [page["page"] for page in pages] == list(range(len(pages)))
    assert document["conversation"]["pages"] == len(pages) == 6
    logged = told(sim_kernel, tmp_path, "logs", str(document["conversation"]["pid"]))["pages"]
    for page, log in zip(pages, logged, strict=True):
        assert [page[key] for key in ("role", "text", "created", "num_tokens")] == [
            log[key] for key in ("role", "text", "created", "num_tokens")
        ]
    (call,) = pages[1]["calls"]
    assert (call["name"], json.loads(call["arguments"])) == ("read_file", {"path": "wild.md"})
    assert call["call_id"] == pages[2]["call_id"]
    assert pages[5]["feedback"]["verdict"] == "bad"
    printed = json.loads(llmos(sim_kernel, tmp_path, "export", conversation, "--json").stdout)
    assert printed["ok"]
    assert printed["pages"] == pages


def test_markdown_keeps_its_shape(
    sim_kernel: KernelProcess, tmp_path: Path, conversation: str
) -> None:
    text = llmos(sim_kernel, tmp_path, "export", conversation).stdout
    tokens = MarkdownIt().parse(text)
    outer = [token for token in tokens if token.level == 0]
    headings = [
        tokens[index + 1].content
        for index, token in enumerate(tokens)
        if token.type == "heading_open" and token.level == 0
    ]
    assert headings == [
        f"Conversation {conversation}",
        "0 · User",
        "1 · Agent",
        "2 · Result of `read_file`",
        "3 · Agent",
        "4 · User",
        "5 · Agent",
    ]
    result = next(token for token in outer if token.type == "fence" and "x = 1" in token.content)
    assert result.content.strip().endswith(WILD.strip()), "the result is one block, whole"
    quotes = sum(token.type == "blockquote_open" for token in outer)
    assert quotes == 5, "two texts of the user, two answers, one feedback"


def test_a_long_one_comes_in_parts(sim_kernel: KernelProcess, tmp_path: Path) -> None:
    with sim_kernel.wire() as wire:
        text = "x" * 700_000
        root = str(tmp_path)
        pid = wire.get("spawn", task=text, root=root, interactive=True, attach=True)["pid"]
        wire.until("turn")
        wire.get("send", pid=pid, text=text)
        wire.until("turn")
    (one,) = sessions(sim_kernel, tmp_path)
    with sim_kernel.wire() as wire:
        part = wire.get("conversation", which=str(one["id"]))
        assert part["next"] is not None
    whole = told(sim_kernel, tmp_path, "export", str(one["id"]))
    assert len(whole["pages"]) == one["pages"] == 4
    assert len(whole["pages"][2]["text"]) == 700_000


def test_a_file_is_written_whole_or_not_at_all(
    sim_kernel: KernelProcess, tmp_path: Path, conversation: str
) -> None:
    (tmp_path / "old.md").write_text("old")
    llmos(sim_kernel, tmp_path, "export", conversation, "-o", "old.md")
    assert (tmp_path / "old.md").read_text().startswith(f"# Conversation {conversation}\n")
    refused = llmos(sim_kernel, tmp_path, "export", conversation, "-o", "no/such/folder.md")
    assert refused.returncode == 78
    assert "cannot write" in refused.stderr
    assert not [file for file in tmp_path.iterdir() if file.name.endswith(".part")]
