"""Every hook is documented with an example; here each one runs."""

from __future__ import annotations

import asyncio
import inspect
import logging
import re
from pathlib import Path
from textwrap import dedent

import pytest

from harness import KernelProcess
from llmos.kernel import chosen
from llmos.kernel.engine.driver import ChatRequest, Message
from llmos.kernel.process import Process
from llmos.kernel.scheduling.job import Average, Head, Job
from llmos.kernel.testing import TestKernel
from llmos.memory.address_space import AddressSpace, Entry
from llmos.memory.embedding import EmbeddingProcess
from llmos.memory.eviction import Group
from llmos.memory.page import Page
from llmos.syscalls import hooks, hookspecs


def example(hook: str) -> str:
    found = re.findall(r"```python\n(.*?)```", inspect.getdoc(getattr(hookspecs, hook)) or "", re.S)
    assert len(found) == 1, f"{hook} has {len(found)} examples"
    return dedent(found[0])


def save(folder: Path, *used: str) -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    head, *_ = used
    file = folder / f"{head.removeprefix('llmos_')}.py"
    file.write_text("\n".join(map(example, used)))
    return file


def test_every_hook_has_an_example_that_implements_it() -> None:
    for hook in hooks.names():
        assert f"@hookimpl\ndef {hook}(" in example(hook), hook


def test_syscalls(llmos_kernel: TestKernel, tmp_path: Path) -> None:
    assert llmos_kernel.load(save(tmp_path, "llmos_syscalls")) == ["to_feet", "to_miles"]
    assert llmos_kernel.call("to_feet", metres=100) == "328.084"


def test_programs(llmos_kernel: TestKernel, tmp_path: Path) -> None:
    llmos_kernel.load(save(tmp_path, "llmos_programs"))
    said = "You said: hello / You said: hello"
    assert llmos_kernel.run("hello", program="programs.twice") == (0, said)
    assert llmos_kernel.run("hello", program="twice") == (0, said)


def test_verbs(own_kernel: KernelProcess) -> None:
    save(own_kernel.plugins_dir, "llmos_verbs")
    own_kernel.start().plugin_in_use("verbs")
    run = own_kernel.llmos("crowd", "--times", "5")
    assert (run.returncode, run.stdout) == (0, "5 alive\n")
    assert re.search(r"^ +crowd +count the processes$", own_kernel.llmos("help").stdout, re.M)
    assert "--times" in own_kernel.llmos("help", "crowd").stdout


def test_scheduling_policies(tmp_path: Path) -> None:
    save(tmp_path, "llmos_scheduling_policies")
    policy = chosen.scheduling_policy("scheduling_policies.smallest", tmp_path)
    large, small = job(1, 50), job(2, 5)
    policy.add(large)
    policy.add(small)
    assert policy.first(1000) is small


def job(pid: int, need: int) -> Job:
    process = Process(
        pid=pid,
        parent=1,
        program="agent",
        name="",
        root=Path("/"),
        interactive=False,
        created=0.0,
        spawn_key=None,
        space=AddressSpace(""),
        group=pid,
        session=pid,
    )
    return Job(process, Head(), Average(32.0), number=pid, need=need)


def test_eviction_policies(tmp_path: Path) -> None:
    save(tmp_path, "llmos_eviction_policies")
    policy = chosen.eviction_policy("eviction_policies.longest", tmp_path)
    groups = [group(0, 10), group(1, 30), group(2, 20)]
    assert [one.newest for one in policy.order(groups)] == [1, 2, 0]


def group(vpn: int, num_tokens: int) -> Group:
    return Group((Entry(Page(vpn, "user", "text", num_tokens, created=0.0)),))


async def test_engine_drivers(tmp_path: Path) -> None:
    save(tmp_path, "llmos_engine_drivers")
    driver = chosen.engine_driver("engine_drivers.parrot", "polly", tmp_path)
    await driver.start(lambda words: None)
    prompt = await driver.render(ChatRequest((Message("user", "hello"),)))
    items = [item async for item in driver.generate(prompt)]
    await driver.stop()
    assert driver.model == "polly"
    assert getattr(items[-1], "text", "") == "You said: hello"


async def test_embeddings(tmp_path: Path) -> None:
    save(tmp_path, "llmos_embeddings")
    embedding = EmbeddingProcess(chosen.embedding_model("embeddings.letters", tmp_path))
    vectors = await embedding.embed(["abba", "a"])
    await embedding.close()
    assert vectors.shape == (2, 26)
    assert vectors[0][:3].tolist() == pytest.approx([0.5**0.5, 0.5**0.5, 0.0])
    assert vectors[1][0] == 1.0


def test_observers(
    llmos_kernel: TestKernel, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO, "llmos.plugins")
    observers = ("llmos_before_syscall", "llmos_after_syscall", "llmos_syscall_failed")
    llmos_kernel.load(save(tmp_path, *observers))
    llmos_kernel.call("calculate", expression="6*7")
    with pytest.raises(Exception, match="EINVAL"):
        llmos_kernel.call("calculate", expression="6*")

    async def heard() -> list[str]:
        async with asyncio.timeout(30):
            while len(caplog.messages) < 4:
                await asyncio.sleep(0.02)
        return list(caplog.messages)

    lines = asyncio.run(heard())
    assert lines[0].endswith("calls calculate({'expression': '6*7'})")
    assert lines[1] == "calculate of calculator gave 2 characters"
    assert lines[3].startswith("calculate: EINVAL: ")
