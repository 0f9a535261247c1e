"""Kernels that tests share. The real one boots once for the whole run: an engine takes long."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

sys.path.insert(0, str(Path(__file__).parent))  # harness.py, real.py, terminal.py, virtual_time.py

from harness import KernelProcess, Wire, running_kernel
from llmos.kernel.pytest_plugin import llmos_kernel

__all__ = ["llmos_kernel"]  # by name: pytest need not have it as a plugin


def pytest_configure() -> None:
    """Terminals here have their own size, not that of whoever runs the tests."""
    for name in ("COLUMNS", "LINES"):
        os.environ.pop(name, None)


@pytest.fixture(scope="session")
def kernel() -> Iterator[KernelProcess]:
    """A kernel with the real engine and the pilot."""
    with running_kernel() as kernel:
        yield kernel


@pytest.fixture
def wire(kernel: KernelProcess) -> Iterator[Wire]:
    """A connection to the kernel with the real engine."""
    with kernel.wire() as wire:
        yield wire


@pytest.fixture(scope="module")
def kernel_at_random() -> Iterator[KernelProcess]:
    """The real engine at a temperature at which it makes no sense."""
    with running_kernel("--temperature=2.0", "--max-tokens=120", "--max-steps=3") as kernel:
        yield kernel


@pytest.fixture(scope="session")
def sim_kernel() -> Iterator[KernelProcess]:
    """A kernel with the simulated engine, which says back what it is told."""
    with running_kernel("--driver=simulated") as kernel:
        yield kernel


@pytest.fixture
def own_kernel() -> Iterator[KernelProcess]:
    """A simulated kernel for one test alone, to be killed; it is not started yet."""
    kernel = KernelProcess("--driver=simulated")
    yield kernel
    kernel.close()


@pytest.hookimpl(hookwrapper=True)
def pytest_runtest_makereport(item: pytest.Item) -> Iterator[None]:
    """How the kernels of a test that fails are, for whoever reads why."""
    outcome: Any = yield
    report = outcome.get_result()
    if report.when != "call" or not report.failed:
        return
    for name, value in getattr(item, "funcargs", {}).items():
        if isinstance(value, KernelProcess) and name in ("kernel", "sim_kernel"):
            report.sections.append((f"the kernel of {name}", value.health()))
