"""What is installed from a wheel is what runs from a checkout: code, pilot, entry points."""

from __future__ import annotations

import shutil
import subprocess
import sys
import zipfile
from pathlib import Path

ROOT = Path(__file__).parent.parent
ROOMS = ("kernel", "memory", "syscalls", "plugins", "shell", "pilot")


def test_the_wheel_holds_every_file_of_every_room(tmp_path: Path) -> None:
    copy = tmp_path / "copy"
    tracked = subprocess.run(
        ["git", "ls-files", "-z"], cwd=ROOT, capture_output=True, text=True, check=True
    ).stdout.split("\0")
    for name in filter(None, tracked):
        target = copy / name
        target.parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(ROOT / name, target)
    command = [sys.executable, "-m", "pip", "wheel", "--no-deps", "--no-build-isolation", "-q"]
    subprocess.run([*command, "-w", str(tmp_path), str(copy)], check=True, timeout=200)
    (wheel,) = tmp_path.glob("llmos-*.whl")
    held = set(zipfile.ZipFile(wheel).namelist())
    wanted = {f"llmos/{name}" for name in tracked if name.endswith(".py") and name[0] != "."}
    wanted = {name for name in wanted if name.split("/")[1] in ROOMS or name.count("/") == 1}
    model = {f"llmos/{name}" for name in tracked if name.startswith("pilot/model/")}
    assert any(name.endswith(".safetensors") for name in model)
    missing = (wanted | model) - held
    assert not missing
    outside = {name for name in held if not name.startswith(("llmos/", "llmos-"))}
    assert not outside
