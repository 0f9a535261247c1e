"""A child of a supervisor that comes after others starts when they are ready, and reads what they
said; one that can never start is named at the end."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from llmos.kernel import childspec
from llmos.kernel.engine.simulated import SimulatedDriver
from llmos.kernel.kernel import Kernel
from llmos.kernel.messages import ChildSpec, Supervision
from llmos.syscalls.errno import EINVAL
from simulation import simulate
from supervised import at_rest, children, diary, fail, script, staying, supervise, until

FIRST = ChildSpec("first", task="count 3", restart="transient")
SECOND = ChildSpec("second", task="say", restart="transient", reads=["first"])
THIRD = ChildSpec("third", task="hello", restart="transient", after=["second"])


def test_each_starts_when_the_one_before_has_ended_and_reads_what_it_said(tmp_path: Path) -> None:
    async def main(kernel: Kernel, _: SimulatedDriver) -> None:
        team = await supervise(kernel, THIRD, SECOND, FIRST)
        await team.exited.wait()
        assert team.exit is not None and team.exit.status == 0
        assert diary(team) == [
            "started first as pid 3",
            "first (pid 3) exited with status 0, for good: 1 2 3",
            "started second as pid 4",
            "second (pid 4) exited with status 0, for good: You said: say 1 2 3",
            "started third as pid 5",
            "third (pid 5) exited with status 0, for good: You said: hello",
        ]

    simulate(tmp_path / "k", main, script=script)


def test_what_serves_is_ready_as_soon_as_it_runs(tmp_path: Path) -> None:
    async def main(kernel: Kernel, _: SimulatedDriver) -> None:
        (server,) = staying("server")
        team = await supervise(kernel, *staying("user", after=["server"]), server)
        await at_rest(kernel, team, "server", "user")
        assert diary(team)[0].startswith("started server")

    simulate(tmp_path / "k", main, script=script)


def test_what_can_never_start_is_named(tmp_path: Path) -> None:
    async def main(kernel: Kernel, _: SimulatedDriver) -> None:
        failing = replace(FIRST, task="fail", restart="temporary")
        team = await supervise(kernel, failing, SECOND, THIRD)
        await team.exited.wait()
        assert team.exit is not None
        assert (team.exit.status, team.exit.output) == (
            1,
            "second, third never started: first failed",
        )

    simulate(tmp_path / "k", main, script=script)


def test_one_that_failed_and_was_restarted_is_read_from_its_last_run(tmp_path: Path) -> None:
    async def main(kernel: Kernel, _: SimulatedDriver) -> None:
        team = await supervise(kernel, replace(FIRST, task="count 400"), SECOND)
        await until(lambda: "first" in children(kernel, team))
        await fail(kernel, children(kernel, team)["first"])
        await team.exited.wait()
        assert team.exit is not None and team.exit.status == 0
        assert "restarting" in diary(team)[1]
        assert "You said: say 1 2 3" in diary(team)[-1]

    simulate(tmp_path / "k", main, script=script)


@pytest.mark.parametrize(
    ("specs", "words"),
    [
        ([FIRST, replace(SECOND, reads=["frist"])], "children.1.reads: there is no child 'frist'"),
        ([replace(FIRST, after=["first"])], "nobody can begin: first after first"),
        (
            [replace(FIRST, after=["second"]), SECOND],
            "nobody can begin: (first after second after first|second after first after second)",
        ),
        ([replace(FIRST, restart="permanent"), SECOND], "it has no end"),
    ],
)
def test_an_order_that_cannot_be_is_refused(specs: list[ChildSpec], words: str) -> None:
    with pytest.raises(EINVAL, match=words):
        childspec.checked(Supervision(specs))
