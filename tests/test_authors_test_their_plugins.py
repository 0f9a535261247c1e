"""`llmos plugin new` gives an author a package whose test passes, and which can be built, installed
and used; and who does not write plugins does not notice that pytest could test them."""

from __future__ import annotations

import importlib.metadata
import os
import subprocess
import sys
import venv
from pathlib import Path

import pytest

from harness import KernelProcess

PLUGIN = "llmos.kernel.pytest_plugin"


def run(
    *command: str, cwd: Path, path: str = "", env: dict[str, str] | None = None
) -> subprocess.CompletedProcess[str]:
    outer = os.environ.get("PYTHONPATH", "")
    return subprocess.run(
        command,
        cwd=cwd,
        capture_output=True,
        text=True,
        timeout=250,
        env={
            **os.environ,
            "PYTHONPATH": os.pathsep.join(filter(None, [path, outer])),
            **(env or {}),
        },
    )


def pytest_options() -> list[str]:
    """How a pytest gets the plugin; by itself, where llmos was installed with it."""
    found = importlib.metadata.entry_points(group="pytest11")
    return [] if any(point.value == PLUGIN for point in found) else ["-p", PLUGIN]


def new(folder: Path, name: str) -> Path:
    made = run(sys.executable, "-m", "llmos", "plugin", "new", name, cwd=folder)
    assert made.returncode == 0, made.stderr
    return folder / name


@pytest.mark.parametrize("name", ["tide", "my-tide"])
def test_a_new_plugins_test_passes(tmp_path: Path, name: str) -> None:
    folder = new(tmp_path, name)
    ran = run(sys.executable, "-m", "pytest", "-q", *pytest_options(), cwd=folder)
    assert ran.returncode == 0, ran.stdout + ran.stderr
    assert "2 passed" in ran.stdout


def test_it_fails_when_the_plugin_is_broken(tmp_path: Path) -> None:
    folder = new(tmp_path, "tide")
    module = folder / "tide" / "__init__.py"
    module.write_text(module.read_text().replace("Hello", "Hullo"))
    ran = run(sys.executable, "-m", "pytest", "-q", *pytest_options(), cwd=folder)
    assert ran.returncode == 1
    assert "AssertionError: assert 'Hullo, Ada!' == 'Hello, Ada!'" in ran.stdout


def test_what_is_in_the_way_is_told(tmp_path: Path) -> None:
    new(tmp_path, "tide")
    again = run(sys.executable, "-m", "llmos", "plugin", "new", "tide", cwd=tmp_path)
    assert again.returncode == 78
    assert "tide is there already" in again.stderr
    odd = run(sys.executable, "-m", "llmos", "plugin", "new", "Tide!", cwd=tmp_path)
    assert odd.returncode == 2
    assert "'Tide!' is no name for a plugin" in odd.stderr


def test_its_wheel_works_in_a_clean_environment(
    tmp_path: Path, own_kernel: KernelProcess, monkeypatch: pytest.MonkeyPatch
) -> None:
    """An environment of its own that sees llmos and what llmos needs; the wheel is installed by
    pip as anybody's."""
    folder = new(tmp_path, "tide")
    pip = [sys.executable, "-m", "pip", "--disable-pip-version-check", "-q"]
    built = run(*pip, "wheel", "--no-deps", "--no-build-isolation", "-w", ".", ".", cwd=folder)
    assert built.returncode == 0, built.stderr
    (wheel,) = folder.glob("tide-0.1.0-*.whl")
    clean = tmp_path / "clean"
    venv.create(clean, with_pip=False)
    python = str(clean / "bin" / "python")
    (site,) = (clean / "lib").glob("python3*/site-packages")
    shared = [one for one in sys.path if one.endswith("site-packages")]
    lines = [f"import site; site.addsitedir({one!r})" for one in shared]  # their .pth files, too
    (site / "shared.pth").write_text("\n".join(lines) + "\n")
    monkeypatch.setattr(sys, "executable", python)  # that of the kernel
    own_kernel.start().ready()
    installed = run(*pip, "--python", python, "install", "--no-deps", str(wheel), cwd=tmp_path)
    assert installed.returncode == 0, installed.stderr

    assert own_kernel.llmos("plugins", "enable", "tide").stdout == "tide is enabled\n"
    said = own_kernel.llmos("run", 'call tide_hello {"name": "Ada", "times": 2}')
    assert said.stdout == "Hello, Ada! Hello, Ada!\n"
    shown = own_kernel.llmos("plugins", "show", "tide").stdout
    assert "package tide" in shown and str(site) in shown and "0.1.0" in shown
    page = own_kernel.llmos("man", "tide_hello").stdout
    assert 'EXAMPLE\n    tide_hello(name="Ada", times=2)' in page
    assert "times  (integer, default 1, at least 1, at most 10)" in page


def test_who_does_not_ask_for_the_fixture_loads_nothing_of_llmos(tmp_path: Path) -> None:
    (tmp_path / "test_own.py").write_text(
        "import sys\n\ndef test_own():\n"
        "    ours = {name for name in sys.modules if name.startswith('llmos')}\n"
        f"    assert ours <= {{'llmos', 'llmos.kernel', {PLUGIN!r}}}, ours\n"
    )
    ran = run(
        sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", *pytest_options(),
        cwd=tmp_path,
    )  # fmt: skip
    assert ran.returncode == 0, ran.stdout


def test_it_is_an_entry_point_of_llmos() -> None:
    import tomllib

    pyproject = Path(__file__).parent.parent / "pyproject.toml"
    points = tomllib.loads(pyproject.read_text())["project"]["entry-points"]
    assert points["pytest11"] == {"llmos": PLUGIN}
