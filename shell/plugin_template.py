"""What `llmos plugin new` writes."""

from __future__ import annotations

import re

NAME = re.compile(r"[a-z][a-z0-9_-]{0,40}")

PYPROJECT = """\
[build-system]
requires = ["setuptools>=77"]
build-backend = "setuptools.build_meta"

[project]
name = "{name}"
version = "0.1.0"
description = "A plugin for llmos"
requires-python = ">=3.11"
dependencies = ["llmos"]

# The kernel finds the plugin by this: a name, and the module that holds it.
[project.entry-points.llmos]
{name} = "{module}"

[tool.setuptools]
packages = ["{module}"]

[tool.pytest.ini_options]
pythonpath = ["."]
"""

MODULE = '''\
"""{name}: a plugin for llmos."""

from typing import Annotated

from pydantic import Field

from llmos import syscall


@syscall(effect="pure")
def {module}_hello(name: str, times: Annotated[int, Field(ge=1, le=10)] = 1) -> str:
    """Greet somebody.

    Agents read the paragraph above. The rest is for people: `llmos man {module}_hello`.

    Args:
        name: whom to greet
        times: how often

    Example: {module}_hello(name="Ada", times=2)
    """
    return " ".join([f"Hello, {{name}}!"] * times)
'''

TEST = '''\
"""The plugin in a kernel of its own, as an agent would call it."""

import pytest

from llmos import SyscallError


def test_it_greets(llmos_kernel):
    llmos_kernel.load("{module}")
    assert llmos_kernel.call("{module}_hello", name="Ada") == "Hello, Ada!"
    assert llmos_kernel.call("{module}_hello", name="Ada", times=2) == "Hello, Ada! Hello, Ada!"


def test_a_wrong_argument_is_named(llmos_kernel):
    llmos_kernel.load("{module}")
    with pytest.raises(SyscallError, match="times: expected 10 or less, got 11"):
        llmos_kernel.call("{module}_hello", name="Ada", times=11)
'''

README = """\
# {name}

A plugin for llmos. `pip install .` into the Python that llmos runs in, then
`llmos plugins enable {name}`, and every agent has the syscall `{module}_hello`.
"""


def files_of(name: str) -> dict[str, str]:
    """The texts of the files of a new plugin, by their paths in its folder."""
    module = name.replace("-", "_")
    return {
        "pyproject.toml": PYPROJECT.format(name=name, module=module),
        "README.md": README.format(name=name, module=module),
        f"{module}/__init__.py": MODULE.format(name=name, module=module),
        f"tests/test_{module}.py": TEST.format(name=name, module=module),
    }
