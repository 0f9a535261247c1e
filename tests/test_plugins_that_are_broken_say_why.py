"""A plugin that cannot be used is one record with the true cause and the line to look at."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from llmos.syscalls.errno import LoadError
from llmos.syscalls.host import HostLimits, PluginHost
from llmos.syscalls.loader import load_file
from llmos.syscalls.registry import PluginRegistry
from llmos.syscalls.wire import Source

HEAD = "from llmos import syscall, hookimpl\n"

BROKEN = {
    "a module that is not there": (
        "import nump\n",
        "ModuleNotFoundError: No module named 'nump' (bad.py:1)",
    ),
    "a name that is not there": (
        "from llmos import sycall\n",
        "ImportError: cannot import name 'sycall' from 'llmos'",
    ),
    "a syntax error": (HEAD + "def grep(:\n", "SyntaxError: invalid syntax (bad.py:2)"),
    "an exception": (HEAD + "\n1 / 0\n", "ZeroDivisionError: division by zero (bad.py:3)"),
    "a call of sys.exit": (
        "import sys\nsys.exit(1)\n",
        "SystemExit: it called sys.exit(1) (bad.py:2)",
    ),
    "a call of exit with a text": (
        "raise SystemExit('bye')\n",
        "SystemExit: it called sys.exit('bye') (bad.py:1)",
    ),
    "a parameter without a type": (
        HEAD + "@syscall\ndef grep(pattern, path: str) -> str:\n    'Find.'\n",
        "grep: parameter pattern has no type: write for example pattern: str (bad.py:3)",
    ),
    "*args": (
        HEAD + "@syscall\ndef grep(*patterns: str) -> str:\n    'Find.'\n",
        "grep: *patterns cannot be an argument: name each one (bad.py:3)",
    ),
    "**kwargs": (
        HEAD + "@syscall\ndef grep(**options: str) -> str:\n    'Find.'\n",
        "grep: **options cannot be an argument: name each one (bad.py:3)",
    ),
    "a positional-only parameter": (
        HEAD + "@syscall\ndef grep(pattern: str, /) -> str:\n    'Find.'\n",
        "grep: parameter pattern is positional-only, and arguments come by name:"
        " take the / away (bad.py:3)",
    ),
    "a type that JSON cannot say": (
        HEAD + "import sqlite3\n@syscall\ndef grep(db: sqlite3.Connection) -> str:\n    'Find.'\n",
        "grep: parameter db is of type Connection, which has no form in JSON (bad.py:4)",
    ),
    "an annotation of nothing": (
        HEAD + "@syscall\ndef grep(pattern: 'Patern') -> str:\n    'Find.'\n",
        "grep: an annotation cannot be read: NameError: name 'Patern' is not defined (bad.py:3)",
    ),
    "a def that takes the context of an async def": (
        "from llmos import AsyncContext, syscall\n"
        "@syscall\ndef grep(ctx: AsyncContext) -> str:\n    'Find.'\n",
        "grep: a def takes ctx: Context (bad.py:3)",
    ),
    "a def that returns a promise": (
        HEAD + "from collections.abc import Awaitable\n"
        "@syscall\ndef grep(text: str) -> Awaitable[str]:\n    'Find.'\n",
        "grep: it returns a promise: write async def (bad.py:4)",
    ),
    "a pattern that the engine cannot constrain": (
        HEAD + "from typing import Annotated\nfrom pydantic import Field\n"
        "@syscall\ndef grep(word: Annotated[str, Field(pattern=r'\\bfoo')]) -> str:\n    'Find.'\n",
        "grep: parameter word: the pattern \\bfoo has a word boundary (\\b), which the engine"
        " cannot constrain: check it inside the function (bad.py:5)",
    ),
    "a pattern deep inside that the engine cannot constrain": (
        HEAD + "from pydantic import BaseModel, Field\n"
        "class Query(BaseModel):\n    word: str = Field(json_schema_extra={'pattern': r'(a)\\1'})\n"
        "@syscall\ndef grep(queries: list[Query]) -> str:\n    'Find.'\n",
        "grep: parameter queries: the pattern (a)\\1 has a reference back (\\1), which the engine"
        " cannot constrain: check it inside the function (bad.py:6)",
    ),
    "two syscalls of one name": (
        HEAD
        + "@syscall\ndef a() -> str:\n    'A.'\n"
        + "@syscall(name='a')\ndef b() -> str:\n    'B.'\n",
        "two syscalls are called a, the other at bad.py:3 (bad.py:6)",
    ),
    "an effect that is none": (
        HEAD + "@syscall(effect='twice')\ndef grep(): 'Find.'\n",
        "ValueError: grep: effect is pure, idempotent or once, not 'twice' (bad.py:2)",
    ),
    "two effects at once": (
        HEAD + "@syscall(effect='pure', idempotent=True)\ndef grep(): 'Find.'\n",
        "ValueError: grep: it cannot be both idempotent and pure (bad.py:2)",
    ),
    "an output without end": (
        HEAD + "@syscall(max_output=1 << 30)\ndef grep(): 'Find.'\n",
        "ValueError: grep: max_output is from 1 to 1048576 bytes, not 1073741824 (bad.py:2)",
    ),
    "an output that is no number": (
        HEAD + "@syscall(max_output='much')\ndef grep(): 'Find.'\n",
        "TypeError: grep: max_output is a number of bytes, not 'much' (bad.py:2)",
    ),
    "a trusted argument that is none": (
        HEAD + "@syscall(trusted_args=['pth'])\ndef grep(path: str): 'Find.'\n",
        "ValueError: grep: trusted_args names 'pth'; the parameters are path (bad.py:2)",
    ),
    "trusted arguments as one text": (
        HEAD + "@syscall(trusted_args='path')\ndef grep(path: str): 'Find.'\n",
        "TypeError: grep: trusted_args is a list of names, not 'path' (bad.py:2)",
    ),
    "a capability that is none": (
        HEAD + "@syscall(needs=3)\ndef grep(): 'Find.'\n",
        "TypeError: grep: needs is the name of a capability, not 3 (bad.py:2)",
    ),
    "an option that @syscall does not have": (
        HEAD + "@syscall(time_out=3)\ndef grep(): 'Find.'\n",
        "TypeError: syscall() got an unexpected keyword argument 'time_out' (bad.py:2)",
    ),
    "a timeout that is none": (
        HEAD + "@syscall(timeout=0)\ndef grep(): 'Find.'\n",
        "ValueError: grep: timeout is a number of seconds above 0, not 0 (bad.py:2)",
    ),
    "a timeout without end": (
        HEAD + "@syscall(timeout=float('inf'))\ndef grep(): 'Find.'\n",
        "ValueError: grep: timeout is a number of seconds above 0, not inf (bad.py:2)",
    ),
    "a name that a model cannot say": (
        HEAD + "@syscall(name='Find It')\ndef grep(): 'Find.'\n",
        "ValueError: a syscall cannot be called 'Find It': lower-case letters, digits and _,"
        " at most 64, a letter first (bad.py:2)",
    ),
    "a method": (
        HEAD + "class Tools:\n    @syscall\n    def grep(self): 'Find.'\n",
        "TypeError: @syscall marks a plain function, and grep is a method of Tools (bad.py:3)",
    ),
    "a class": (
        HEAD + "@syscall\nclass Grep: pass\n",
        "TypeError: @syscall marks a function,",
    ),
    "a misspelt hook": (
        HEAD + "@hookimpl\ndef llmos_sycalls(): return []\n",
        "no hook llmos_sycalls: did you mean llmos_syscalls? (bad.py:3)",
    ),
    "a hook of another name": (
        HEAD + "@hookimpl\ndef on_start(): return []\n",
        "no hook on_start: there are llmos_syscalls, llmos_programs, llmos_verbs,",
    ),
    "a hook without its marker": (
        "def llmos_syscalls(): return []\n",
        "llmos_syscalls lacks @hookimpl (bad.py:1)",
    ),
    "a hook with a parameter too many": (
        HEAD + "@hookimpl\ndef llmos_syscalls(kernel): return []\n",
        "the hook llmos_syscalls is given no kernel (bad.py:3)",
    ),
    "a hook that fails": (
        HEAD + "@hookimpl\ndef llmos_syscalls():\n    return [1 / 0]\n",
        "llmos_syscalls: ZeroDivisionError: division by zero (bad.py:4)",
    ),
    "a hook that returns something else": (
        HEAD + "@hookimpl\ndef llmos_programs():\n    return ['twice']\n",
        "llmos_programs returns a dict of names, not list",
    ),
    "a program that cannot be awaited": (
        HEAD + "def twice(ctx, task): pass\n"
        "@hookimpl\ndef llmos_programs():\n    return {'twice': twice}\n",
        "llmos_programs: twice is no async def",
    ),
    "a policy of a name that cannot be": (
        HEAD + "@hookimpl\ndef llmos_eviction_policies():\n    return {'my.own': dict}\n",
        "llmos_eviction_policies: 'my.own' is no name: letters, digits, _ and -, a letter first",
    ),
    "a policy that cannot be made": (
        HEAD + "@hookimpl\ndef llmos_eviction_policies():\n    return {'own': 3}\n",
        "llmos_eviction_policies: own is 3, which cannot be called",
    ),
    "a verb that is none": (
        HEAD + "@hookimpl\ndef llmos_verbs():\n    return ['tide']\n",
        "llmos_verbs: 'tide' is no Verb with an async def as its handler",
    ),
    "a hook that returns no functions": (
        HEAD + "@hookimpl\ndef llmos_syscalls():\n    return ['grep']\n",
        "llmos_syscalls: @syscall marks a function, and 'grep' is none",
    ),
}


@pytest.mark.parametrize("case", BROKEN)
def test_the_cause_and_the_line(case: str, tmp_path: Path) -> None:
    code, message = BROKEN[case]
    file = tmp_path / "bad.py"
    file.write_text(code)
    with pytest.raises(LoadError) as caught:
        load_file(file, "bad")
    assert str(caught.value).startswith(message)
    assert "\n" not in str(caught.value)


async def test_a_broken_plugin_is_a_record_and_all_others_work(tmp_path: Path) -> None:
    (tmp_path / "bad.py").write_text("import nump\n")
    (tmp_path / "exits.py").write_text("import os\nos._exit(5)\n")
    (tmp_path / "odd name.py").write_text("")
    (tmp_path / "_helper.py").write_text("ANSWER = 42\n")
    (tmp_path / "good.py").write_text(
        "from _helper import ANSWER\nfrom llmos import syscall\n"
        "@syscall\ndef answer() -> int:\n    'Tell the answer.'\n    return ANSWER\n"
    )
    registry = PluginRegistry(tmp_path, environ={"LLMOS_LOAD_PLUGINS": "bad,exits,good,odd name"})
    await registry.load()
    records = {record.name: record for record in registry.records()}
    assert records["bad"].error == "ModuleNotFoundError: No module named 'nump' (bad.py:1)"
    assert records["bad"].syscalls == ()
    assert records["exits"].error == "it ended while it was imported: ended with exit code 5"
    assert records["odd name"].error == (
        "a plugin cannot be called odd name: letters, digits, _ and -"
    )
    assert records["good"].error == ""
    assert records["good"].syscalls == ("answer",)
    assert records["good"].load_ms > 0
    assert records["good"].origin == f"file {tmp_path / 'good.py'}"
    assert records["files"].error == ""
    await registry.close()


async def test_an_error_deep_inside_a_package_is_shown_where_it_is(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    site = tmp_path / "site"
    (site / "acme").mkdir(parents=True)
    (site / "acme" / "__init__.py").write_text("from . import deep\n")
    (site / "acme" / "deep.py").write_text("import os\n\nimport nump\n")
    info = site / "acme-1.0.dist-info"
    info.mkdir()
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: acme\nVersion: 1.0\n")
    (info / "entry_points.txt").write_text("[llmos]\nacme = acme\n")
    monkeypatch.syspath_prepend(site)
    monkeypatch.setenv("PYTHONPATH", f"{site}:{os.environ.get('PYTHONPATH', '')}")
    registry = PluginRegistry(tmp_path / "user", environ={})
    await registry.load()
    (record,) = (one for one in registry.records() if one.name == "acme")
    await registry.close()
    assert record.error == "ModuleNotFoundError: No module named 'nump' (deep.py:3)"
    assert record.syscalls == ()


async def test_an_import_without_end_is_an_error(tmp_path: Path) -> None:
    file = tmp_path / "slow.py"
    file.write_text("while True: pass\n")
    source = Source(plugin="slow", file=str(file))
    host = PluginHost("slow", [source], HostLimits(load_timeout_s=1))
    with pytest.raises(LoadError) as caught:
        await host.load()
    assert str(caught.value) == "it was still importing after 1 s"
    await host.close()


async def test_a_plugin_cannot_speak_for_another(tmp_path: Path) -> None:
    """The name of a plugin is what capabilities are granted by; a worker cannot choose it."""
    file = tmp_path / "liar.py"
    file.write_text(
        "import llmos.syscalls.loader as loader\n"
        "from llmos import syscall\n"
        "make = loader.make_syscall\n"
        "loader.make_syscall = lambda function, mark, plugin: make(function, mark, 'files')\n"
        "@syscall\ndef lie() -> str:\n    'Lie.'\n"
    )
    host = PluginHost("liar", [Source(plugin="liar", file=str(file))])
    with pytest.raises(LoadError, match="its worker offers what is not its own: 'lie'"):
        await host.load()
    await host.close()
