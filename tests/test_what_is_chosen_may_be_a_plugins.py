"""Scheduling, eviction, engine and embedding can be a plugin's, named as PLUGIN.NAME at boot."""

from __future__ import annotations

import subprocess

from harness import KernelProcess

PLUGIN = """
from llmos import hookimpl
from llmos.kernel.engine.simulated import SimulatedDriver
from llmos.kernel.scheduling.fifo import FirstInFirstOut

class Loud(SimulatedDriver):
    name = "loud"

def make(model):
    driver = Loud()
    driver.model = model
    return driver

class NewestPidFirst(FirstInFirstOut):
    def key(self, job):
        return (-job.process.pid,)

class NewestFirst:
    def order(self, groups):
        return list(reversed(groups))

@hookimpl
def llmos_engine_drivers():
    return {"loud": make}

@hookimpl
def llmos_scheduling_policies():
    return {"newest": NewestPidFirst}

@hookimpl
def llmos_eviction_policies():
    return {"newest": NewestFirst}

@hookimpl
def llmos_embeddings():
    return {"length": lambda texts: [[len(text), 1] for text in texts]}
"""


def with_plugin(kernel: KernelProcess, *options: str) -> KernelProcess:
    kernel.plugins_dir.mkdir(parents=True)
    (kernel.plugins_dir / "acme.py").write_text(PLUGIN)
    kernel.options = options
    return kernel


def ended(kernel: KernelProcess) -> tuple[int, str]:
    """How a boot that cannot be ends."""
    kernel.launch()
    assert kernel._process is not None
    return kernel._process.wait(60), kernel.tail()


def test_a_kernel_runs_on_them(own_kernel: KernelProcess) -> None:
    kernel = with_plugin(
        own_kernel,
        "--driver=acme.loud",
        "--model=polly",
        "--eviction=acme.newest",
        "--scheduler=acme.newest",
        "--embedding-model=acme.length",
    )
    kernel.start().ready()
    status = kernel.llmos("status").stdout
    assert "polly (loud): ready" in status
    assert kernel.llmos("run", "hello").stdout == "You said: hello\n"
    assert "policy    acme.newest" in kernel.llmos("scheduler").stdout
    kernel.llmos("scheduler", "use", "fair")
    assert kernel.llmos("scheduler", "use", "acme.newest").returncode == 0
    assert "policy    acme.newest (there are also" in kernel.llmos("scheduler").stdout
    wrong = kernel.llmos("scheduler", "use", "acme.newset")
    assert (wrong.returncode, "did you mean acme.newest?" in wrong.stderr) == (2, True)
    offers = kernel.llmos("plugins", "show", "acme").stdout
    assert "eviction policy acme.newest, engine driver acme.loud, embedding acme.length" in offers


def test_a_name_that_is_not_offered_is_told_at_boot(own_kernel: KernelProcess) -> None:
    kernel = with_plugin(own_kernel, "--driver=simulated", "--eviction=acme.newset")
    status, words = ended(kernel)
    assert status == 78
    assert words.endswith(
        "the plugin acme offers no newset by llmos_eviction_policies (did you mean newest?)"
    )


def test_a_plugin_that_is_not_there_is_told_at_boot(own_kernel: KernelProcess) -> None:
    status, words = ended(with_plugin(own_kernel, "--driver=acne.loud"))
    assert (status, words) == (78, "there is no plugin acne (did you mean acme?)")


def test_a_name_that_is_nobodys_is_bad_usage(own_kernel: KernelProcess) -> None:
    status, words = ended(with_plugin(own_kernel, "--driver=loud"))
    assert status == 2
    assert "'loud' is none of vllm, openai, simulated, nor a plugin's, as acme.name" in words


def test_help_names_what_there_is() -> None:
    import sys

    command = [sys.executable, "-m", "llmos.kernel.boot", "--help"]
    text = subprocess.run(command, capture_output=True, text=True, check=True).stdout
    assert "importance, lru, oldest, sieve, or a plugin's" in " ".join(text.split())
