"""A process is moved to another group of its session, or to one of its own, or begins a session."""

from __future__ import annotations

import json

import pytest

from harness import KernelProcess


def spawned(kernel: KernelProcess, *arguments: str) -> str:
    return kernel.llmos("spawn", "-i", *arguments).stdout.strip()


def place(kernel: KernelProcess, pid: str) -> tuple[str, str]:
    """(group, session) of a process."""
    listed = json.loads(kernel.llmos("ps", "--json").stdout)["processes"]
    info = next(info for info in listed if info["pid"] == int(pid))
    return str(info["group"]), str(info["session"])


def refused(kernel: KernelProcess, *arguments: str) -> tuple[int, str]:
    run = kernel.llmos(*arguments)
    return run.returncode, run.stderr


@pytest.fixture
def family(sim_kernel: KernelProcess) -> tuple[str, str, str]:
    """A process and two children, in its group and session."""
    top = spawned(sim_kernel)
    return top, spawned(sim_kernel, "--parent", top), spawned(sim_kernel, "--parent", top)


def test_a_signal_to_the_group_reaches_who_was_moved_there(
    sim_kernel: KernelProcess, family: tuple[str, str, str]
) -> None:
    top, one, other = family
    run = sim_kernel.llmos("setpgid", one, "--json")
    assert json.loads(run.stdout) == {"ok": True, "pid": int(one), "group": int(one)}
    assert sim_kernel.llmos("setpgid", other, one).returncode == 0
    assert sim_kernel.llmos("kill", "-9", "--group", one).returncode == 0
    assert [sim_kernel.llmos("wait", pid).returncode for pid in (one, other)] == [137, 137]
    assert sim_kernel.llmos("send", top, "hello").returncode == 0, "it is in another group"
    sim_kernel.llmos("kill", "-9", top)


def test_a_group_outlives_the_kernel(own_kernel: KernelProcess) -> None:
    own_kernel.start()
    top = spawned(own_kernel)
    one, other = (spawned(own_kernel, "--parent", top) for _ in range(2))
    assert own_kernel.llmos("setpgid", one).returncode == 0
    assert own_kernel.llmos("setpgid", other, "--session").returncode == 0
    own_kernel.kill9()
    own_kernel.start()
    assert place(own_kernel, top) == (top, top)
    assert place(own_kernel, one) == (one, top)
    assert place(own_kernel, other) == (other, other)


def test_a_session_is_left_with_a_group_of_its_own(
    sim_kernel: KernelProcess, family: tuple[str, str, str]
) -> None:
    top, one, other = family
    run = sim_kernel.llmos("setpgid", one, "--session", "--json")
    document = json.loads(run.stdout)
    assert (document["group"], document["session"]) == (int(one), int(one))
    assert place(sim_kernel, one) == (one, one)
    status, words = refused(sim_kernel, "setpgid", other, one)
    assert status == 1
    assert f"there is no group {one} in the session of process {other}" in words
    status, words = refused(sim_kernel, "setpgid", top, "--session")
    assert status == 77
    assert f"process {top} leads its session already" in words


def test_a_session_is_not_begun_over_a_group_that_would_span_two(
    sim_kernel: KernelProcess, family: tuple[str, str, str]
) -> None:
    top, one, other = family
    for pid, group in ((one, one), (other, one), (one, top)):
        assert sim_kernel.llmos("setpgid", pid, group).returncode == 0
    status, words = refused(sim_kernel, "setpgid", one, "--session")
    assert status == 77
    assert f"there is a process group {one}, which would span two sessions" in words
    assert sim_kernel.llmos("setpgid", other, top).returncode == 0
    assert sim_kernel.llmos("setpgid", one, "--session").returncode == 0


def test_who_is_not_there_is_not_moved(
    sim_kernel: KernelProcess, family: tuple[str, str, str]
) -> None:
    assert refused(sim_kernel, "setpgid", family[1], "99999") == (
        1,
        f"llmos: there is no group 99999 in the session of process {family[1]}\n"
        "  llmos ps -l lists groups and sessions\n",
    )
    assert "no process 99999" in refused(sim_kernel, "setpgid", "99999")[1]
