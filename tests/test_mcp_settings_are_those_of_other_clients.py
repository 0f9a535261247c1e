"""A settings file that another MCP client reads is read here, and what is wrong in it is said."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from http_service import service
from llmos.syscalls.mounts.settings import ConfigFile, Mount, read
from mounting import mounting

ENVIRON = {"HOME": "/home/ada", "TOKEN": "t-1"}


def read_one(folder: Path, entry: dict[str, Any], key: str = "mcpServers") -> Mount:
    file = folder / "mcp.json"
    file.write_text(json.dumps({key: {"far": entry}}))
    mounts, mistakes = read([ConfigFile(file)], ENVIRON)
    assert mistakes == []
    return mounts[0]


def test_a_command(tmp_path: Path) -> None:
    entry = {
        "command": "npx",
        "args": ["-y", "server", "--key=${TOKEN}"],
        "env": {"A": "${TOKEN}", "B": "${NONE:-b}", "C": "${env:TOKEN}"},
        "type": "stdio",
        "autoApprove": ["read"],  # of another client
    }
    far = read_one(tmp_path, entry)
    assert (far.command, far.args) == ("npx", ("-y", "server", "--key=t-1"))
    assert far.env == {"A": "t-1", "B": "b", "C": "t-1"}
    assert far.cwd == "/home/ada"
    assert far.timeout_s == 60


def test_a_url(tmp_path: Path) -> None:
    entry = {
        "type": "http",
        "url": "https://far.test/mcp",
        "headers": {"Authorization": "Bearer ${TOKEN}"},
    }
    far = read_one(tmp_path, entry, "servers")
    assert far.url == "https://far.test/mcp"
    assert far.headers == {"Authorization": "Bearer t-1"}
    assert "t-1" not in far.what


@pytest.mark.parametrize(("given", "seconds"), [(30, 30), (0.5, 0.5), (30_000, 30)])
def test_a_timeout_in_seconds_or_milliseconds(tmp_path: Path, given: float, seconds: float) -> None:
    assert read_one(tmp_path, {"command": "x", "timeout": given}).timeout_s == seconds


def test_one_that_is_turned_off_is_not_there(tmp_path: Path) -> None:
    file = tmp_path / "mcp.json"
    file.write_text(json.dumps({"mcpServers": {"far": {"command": "x", "disabled": True}}}))
    assert read([ConfigFile(file), ConfigFile(tmp_path / "none.json")]) == ([], [])


def test_relative_commands_of_a_project_are_in_its_folder(tmp_path: Path) -> None:
    file = tmp_path / ".mcp.json"
    file.write_text(json.dumps({"mcpServers": {"far": {"command": "./serve"}}}))
    (far,), _ = read([ConfigFile(file, trusted=False)], ENVIRON)
    assert (far.cwd, far.trusted) == (str(tmp_path), False)


@pytest.mark.parametrize(
    ("entry", "words"),
    [
        ({}, "name a command to run, or the url of a server that runs"),
        ({"command": "x", "url": "http://far.test"}, "name a command to run, or the url"),
        ({"url": "ftp://far.test"}, "url: 'ftp://far.test' is neither http nor https"),
        ({"url": "http://far.test", "type": "sse"}, "ask for its streamable HTTP"),
        ({"command": "x", "args": "y"}, "args: Input should be a valid list"),
        ({"command": "x", "env": {"A": "${NONE}"}}, "the variable NONE is not set"),
        ({"command": "x", "timeout": 0}, "timeout: Input should be greater than 0"),
        ("x", "it: Input should be a valid dictionary"),
    ],
)
def test_a_mistake_is_said_and_costs_no_other_server(
    tmp_path: Path, entry: object, words: str
) -> None:
    file = tmp_path / "mcp.json"
    file.write_text(json.dumps({"mcpServers": {"bad": entry, "far": {"command": "x"}}}))
    mounts, mistakes = read([ConfigFile(file)], ENVIRON)
    assert [mount.name for mount in mounts] == ["far"]
    assert [mistake.name for mistake in mistakes] == ["bad"]
    assert words in mistakes[0].error


def test_a_name_that_is_none(tmp_path: Path) -> None:
    file = tmp_path / "mcp.json"
    file.write_text(json.dumps({"mcpServers": {"my server!": {"command": "x"}}}))
    _, (mistake,) = read([ConfigFile(file)], ENVIRON)
    assert "a server cannot be called 'my server!'" in mistake.error


def test_the_users_own_counts_before_the_projects(tmp_path: Path) -> None:
    own, project = tmp_path / "mcp.json", tmp_path / ".mcp.json"
    own.write_text(json.dumps({"mcpServers": {"far": {"command": "own"}}}))
    project.write_text(json.dumps({"mcpServers": {"far": {"command": "theirs"}}}))
    mounts, (mistake,) = read([ConfigFile(own), ConfigFile(project, trusted=False)], ENVIRON)
    assert [mount.command for mount in mounts] == ["own"]
    assert mistake.error == f"{own} names far too, and counts: rename one"


@pytest.mark.parametrize("text", ["{", "[]", '{"mcpServers": []}', "\xff"])
def test_a_file_that_makes_no_sense_is_named(tmp_path: Path, text: str) -> None:
    file = tmp_path / "mcp.json"
    file.write_bytes(text.encode("latin-1"))
    mounts, (mistake,) = read([ConfigFile(file)], ENVIRON)
    assert (mounts, mistake.name, mistake.origin) == ([], "mcp.json", str(file))
    assert mistake.error


async def test_headers_go_along(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TOKEN", "t-1")
    with service() as far:
        headers = {"Authorization": "Bearer ${TOKEN}"}
        async with mounting(tmp_path, {"far": {"url": f"{far.url}/mcp", "headers": headers}}):
            pass  # it is no MCP server, and that is known by now
        assert {asked["headers"]["authorization"] for asked in far.asked} == {"Bearer t-1"}
