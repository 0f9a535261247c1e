"""The plugin for pytest, which authors of llmos plugins have as soon as llmos is installed. It
loads nothing of llmos until a test asks for the fixture."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from .testing import TestKernel


@pytest.fixture
def llmos_kernel(tmp_path_factory: pytest.TempPathFactory) -> Iterator[TestKernel]:
    """A kernel for one test: `llmos_kernel.load("my_plugin")`, `llmos_kernel.call("grep", …)`."""
    from .testing import TestKernel

    kernel = TestKernel(tmp_path_factory.mktemp("llmos")).start()
    try:
        yield kernel
    finally:
        kernel.close()
