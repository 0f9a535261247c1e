"""Two writers would corrupt the semantic index in silence: the second one is refused, in words."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from llmos.memory.semantic import SemanticIndex, SemanticIndexBusy


def test_the_second_writer_is_refused_and_may_come_later(tmp_path: Path) -> None:
    folder = tmp_path / "chroma"
    first = SemanticIndex(folder, "words", 64)
    with pytest.raises(SemanticIndexBusy, match=f"process {os.getpid()}"):
        SemanticIndex(folder, "words", 64)
    code = (
        "import sys; from pathlib import Path\n"
        "from llmos.memory.semantic import SemanticIndex, SemanticIndexBusy\n"
        "try: SemanticIndex(Path(sys.argv[1]), 'words', 64)\n"
        "except SemanticIndexBusy as error: print(error)\n"
    )
    command = [sys.executable, "-c", code, str(folder)]
    told = subprocess.run(command, capture_output=True, text=True, check=True).stdout
    assert f"process {os.getpid()}" in told and str(folder) in told
    first.close()
    SemanticIndex(folder, "words", 64).close()


def test_the_folder_is_free_when_its_holder_was_killed(tmp_path: Path) -> None:
    folder = tmp_path / "chroma"
    code = (
        "import os, sys; from pathlib import Path\n"
        "from llmos.memory.semantic import SemanticIndex\n"
        "SemanticIndex(Path(sys.argv[1]), 'words', 64); os.kill(os.getpid(), 9)\n"
    )
    subprocess.run([sys.executable, "-c", code, str(folder)])
    SemanticIndex(folder, "words", 64).close()
