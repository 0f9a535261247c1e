"""A word that somebody remembers leads to the conversation in which it was said."""

from __future__ import annotations

import json
import time
from pathlib import Path
from typing import Any

import pytest

from conversing import llmos, shell, told
from harness import KernelProcess


def hits(kernel: KernelProcess, folder: Path, *arguments: str) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = told(kernel, folder, "search", *arguments)["hits"]
    return found


def words(hit: dict[str, Any]) -> list[str]:
    """Those that are highlighted."""
    return [hit["excerpt"][start:end] for start, end in hit["matches"]]


def test_of_a_process_that_has_ended(sim_kernel: KernelProcess, tmp_path: Path) -> None:
    told(sim_kernel, tmp_path, "run", "the walrus wears a monocle, and sings of Cádiz")
    asked, answered = sorted(hits(sim_kernel, tmp_path, "walrus"), key=lambda hit: hit["page"])
    assert (asked["role"], answered["role"]) == ("user", "assistant")
    assert asked["begins"].startswith("the walrus wears")
    assert asked["root"] == str(tmp_path)
    assert words(asked) == ["walrus"]
    assert words(hits(sim_kernel, tmp_path, "monocles")[0]) == ["monocle"], "by their stems"
    assert words(hits(sim_kernel, tmp_path, "cadiz")[0]) == ["Cádiz"]
    assert words(hits(sim_kernel, tmp_path, "mono*", "WALRUS")[0]) == ["walrus", "monocle"]
    assert hits(sim_kernel, tmp_path, "monocle walrus"), "one argument is a query"
    assert hits(sim_kernel, tmp_path, "sings", "wears a monocle"), "of several, it is a phrase"
    assert not hits(sim_kernel, tmp_path, "sings", "monocle walrus")
    assert not hits(sim_kernel, tmp_path, '"monocle walrus"')
    assert not hits(sim_kernel, tmp_path, "walrus", "carpenter"), "all of the words"
    told(sim_kernel, tmp_path, "run", "-r", str(asked["conversation"]), "the walrus again")
    later = hits(sim_kernel, tmp_path, "walrus", "again", "--role", "user")
    assert [hit["conversation"] for hit in later] == [asked["conversation"]]


def test_by_role_time_and_order(sim_kernel: KernelProcess, tmp_path: Path) -> None:
    for text in ("zebra", "a zebra among many other animals", "my zebra zebra zebra"):
        told(sim_kernel, tmp_path, "run", text)
    asked = hits(sim_kernel, tmp_path, "--role", "user", "--newest", "zebra")
    times = [hit["created"] for hit in asked]
    assert (len(times), times) == (3, sorted(times, reverse=True))
    best = hits(sim_kernel, tmp_path, "zebra", "--role", "user")
    assert best[-1]["excerpt"] == "a zebra among many other animals", "the longest says it least"
    assert {hit["role"] for hit in hits(sim_kernel, tmp_path, "zebra", "--role", "agent")} == {
        "assistant"
    }
    assert len(hits(sim_kernel, tmp_path, "zebra", "-n", "2")) == 2
    assert len(hits(sim_kernel, tmp_path, "zebra", "--since", "1h")) == 6
    assert not hits(sim_kernel, tmp_path, "zebra", "--before", "1d")
    tomorrow = time.strftime("%Y-%m-%d", time.localtime(time.time() + 86400))
    assert not hits(sim_kernel, tmp_path, "zebra", "--since", tomorrow)
    assert llmos(sim_kernel, tmp_path, "search", "zebra", "--since", "soon").returncode == 2


@pytest.mark.parametrize(
    "query",
    [
        *('"', "*", "AND", "NOT quagga", "quagga OR", "quagga NEAR(", "(quagga", "quagga^"),
        *("-- -quagga", "quagga' OR 1=1", "+quagga", "text:quagga", "{text}: quagga"),
        *("quagga\x01", "quagga\0", "quagga " * 500),
    ],
)
def test_no_query_is_an_operator(sim_kernel: KernelProcess, tmp_path: Path, query: str) -> None:
    with sim_kernel.wire() as wire:
        reply = wire.ask("search_conversations", query=query)
    if reply["ok"]:
        assert isinstance(reply["result"]["hits"], list)
    else:
        assert reply["error"]["code"] == "EINVAL"
        assert "there is no word in" in reply["error"]["message"]


def test_the_terminal_shows_them_highlighted(sim_kernel: KernelProcess, tmp_path: Path) -> None:
    told(sim_kernel, tmp_path, "run", "an okapi \x1b[31mis no giraffe")
    plain = llmos(sim_kernel, tmp_path, "search", "okapi", "giraffe", "--role", "user")
    assert plain.stdout.splitlines()[1] == "  an okapi ␛[31mis no giraffe"
    with shell(sim_kernel, tmp_path) as terminal:
        terminal.enter('sessions search "no giraffe"')
        terminal.wait_for("is no giraffe")
    nothing = llmos(sim_kernel, tmp_path, "search", "unheardof")
    assert (nothing.returncode, nothing.stdout) == (0, "")
    assert "nothing was found" in nothing.stderr


def test_what_agents_began_is_searched_on_demand(sim_kernel: KernelProcess, tmp_path: Path) -> None:
    order = json.dumps({"task": "count the axolotls"})
    told(sim_kernel, tmp_path, "run", f"call spawn {order}")
    with sim_kernel.wire() as wire:
        while len(wire.get("search_conversations", query="axolotls", all=True)["hits"]) < 3:
            pass
    mine = hits(sim_kernel, tmp_path, "axolotls")
    assert {hit["begins"][:10] for hit in mine} == {"call spawn"}
    both = hits(sim_kernel, tmp_path, "axolotls", "--all")
    assert "count the axolotls" in {hit["begins"] for hit in both}


@pytest.mark.parametrize("harm", ["removed", "damaged", "of another journal"])
def test_the_index_is_made_anew(own_kernel: KernelProcess, tmp_path: Path, harm: str) -> None:
    own_kernel.start().ready()
    told(own_kernel, tmp_path, "run", "a narwhal")
    assert len(hits(own_kernel, tmp_path, "narwhal")) == 2
    index = own_kernel.state_dir / "transcripts.db"
    if harm == "of another journal":
        own_kernel.terminate()
        for file in own_kernel.state_dir.glob("llmos.db*"):
            file.unlink()
        own_kernel.start().ready()
        assert not hits(own_kernel, tmp_path, "narwhal")
        told(own_kernel, tmp_path, "run", "a narwhal")
    elif harm == "removed":
        for file in own_kernel.state_dir.glob("transcripts.db*"):
            file.unlink()
    else:
        index.write_bytes(b"no database" * 1000)
    assert len(hits(own_kernel, tmp_path, "narwhal")) == 2
