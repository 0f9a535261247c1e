"""A scheduling policy of somebody's package is chosen by its name; one that fails loses nobody."""

from __future__ import annotations

import re
import sys
from pathlib import Path

import pytest

from jobs import job, queue_of
from llmos.kernel.engine.driver import Capacity, ChatRequest
from llmos.kernel.engine.simulated import Reply, SimulatedDriver, echo
from llmos.kernel.kernel import Kernel
from llmos.kernel.scheduling import load, names
from llmos.kernel.scheduling_choices import use
from llmos.kernel.scheduling_view import info
from llmos.syscalls.errno import EINVAL
from simulation import ROOT, ended, generating, simulate, until

PAGE = (Path(__file__).parent.parent / "docs" / "scheduling.md").read_text()
(EXAMPLE,) = re.findall(r"```python\n(.*?)```", PAGE, re.DOTALL)
POINTS = re.findall(r"```toml\n(.*?)```", PAGE, re.DOTALL)[0].replace("project.entry-points.", "")

FAULTY = """
from llmos.kernel.scheduling.fifo import FirstInFirstOut

class Raises(FirstInFirstOut):
    working_set = True
    calls = 0
    def first(self, free, fits=None):
        Raises.calls += 1
        if Raises.calls > 3:
            raise ZeroDivisionError("of seven")
        return super().first(free, fits)

class FindsNobody(FirstInFirstOut):
    def first(self, free, fits=None):
        return None

class FindsTheLast(FirstInFirstOut):
    found = None
    def first(self, free, fits=None):
        self.found = self.found or super().first(free, fits)
        return self.found

class WordsForKeys(FirstInFirstOut):
    working_set = True
    def key(self, job):
        return ("high", job.number)

class HasNoKey:
    working_set = preempts = starves = True
"""


@pytest.fixture(autouse=True)
def package(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """As pip leaves it."""
    site = tmp_path / "site"
    made = site / "acme_policies-1.0.dist-info"
    made.mkdir(parents=True)
    (made / "METADATA").write_text("Metadata-Version: 2.1\nName: acme-policies\nVersion: 1.0\n")
    faulty = ("Raises", "FindsNobody", "FindsTheLast", "WordsForKeys", "HasNoKey")
    more = "".join(f"{name} = acme.faulty:{name}\n" for name in faulty)
    section = POINTS.replace('"', "")
    (made / "entry_points.txt").write_text(f"{section}\n{more}")
    (site / "acme").mkdir()
    (site / "acme" / "__init__.py").touch()
    (site / "acme" / "shortest.py").write_text(EXAMPLE)
    (site / "acme" / "faulty.py").write_text(FAULTY)
    monkeypatch.syspath_prepend(site)
    for name in ("acme", "acme.shortest", "acme.faulty"):
        monkeypatch.delitem(sys.modules, name, raising=False)


def test_the_example_orders_by_what_was_answered_before() -> None:
    assert "shortest" in names()
    talks, answers = job(2), job(3)
    talks.outputs.add(400)
    answers.outputs.add(5)
    queue = queue_of("shortest", [talks, answers], apart_s=0.0)
    assert queue.admit(0.0, idle=True) is answers


def test_a_kernel_goes_by_the_example(tmp_path: Path) -> None:
    def script(request: ChatRequest) -> Reply:
        said = request.messages[-1].text
        return Reply("well " * 300) if said == "talk" else echo(request)

    async def main(kernel: Kernel, _: SimulatedDriver) -> None:
        talks, answers = [
            await kernel.spawn(task=None, name=None, root=ROOT, interactive=True) for _ in range(2)
        ]
        for process, said in ((talks, "talk"), (answers, "hello")):
            await kernel.send(process.pid, said)
            await until(lambda one: len(one.space) == 2, process)
        blocker = await kernel.spawn(task="count 300", name=None, root=ROOT)
        await generating(blocker)
        for process in (talks, answers):
            await kernel.send(process.pid, "talk")
        await until(lambda: kernel.scheduler.num_waiting == 2)
        await until(lambda: answers.state.value == "running")
        assert talks.state.value == "ready"
        assert info(kernel).fault == ""

    one_slot = Capacity(1, 4096, 65536)
    simulate(tmp_path / "k", main, script=script, capacity=one_slot, scheduler="shortest")


@pytest.mark.parametrize(
    ("name", "fault"),
    [
        ("Raises", "ZeroDivisionError: of seven"),
        ("FindsNobody", "it finds nobody"),
        ("FindsTheLast", "it finds a job that does not wait"),
        ("WordsForKeys", "could not convert string to float"),
    ],
)
def test_a_policy_that_fails_loses_nobody(tmp_path: Path, name: str, fault: str) -> None:
    async def main(kernel: Kernel, _: SimulatedDriver) -> None:
        processes = [await kernel.spawn(task="count 60", name=None, root=ROOT) for _ in range(12)]
        for process in processes:
            assert (await ended(process))[0] == 0
        said = info(kernel)
        assert (said.policy, said.waiting, said.running) == (name, 0, 0)
        assert name in said.fault and fault in said.fault
        await use(kernel, "mlfq")
        assert info(kernel).fault == ""

    few = Capacity(2, 1600, 1600)
    simulate(tmp_path / "k", main, capacity=few, scheduler=name)


def test_one_that_is_no_policy_is_refused_with_what_it_lacks(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="has no key"):
        load("HasNoKey")

    async def main(kernel: Kernel, _: SimulatedDriver) -> None:
        with pytest.raises(EINVAL, match="has no key"):
            await use(kernel, "HasNoKey")
        assert info(kernel).policy == "mlfq"

    simulate(tmp_path / "k", main)
