"""A plain server of vLLM's with the pilot: what `vllm serve` runs, started for a file of tests."""

from __future__ import annotations

import contextlib
import os
import signal
import socket
import subprocess
import sys
import tempfile
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from pathlib import Path

from llmos.kernel.config import PILOT, KernelConfig
from llmos.kernel.engine.vllm import ENVIRONMENT

KEY = "sesame-0123456789"
START_S = 180.0


class VllmServer:
    """Started, killed and started again on one port."""

    def __init__(self) -> None:
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            self.port = free.getsockname()[1]
        self.endpoint = f"http://127.0.0.1:{self.port}/v1"
        self.log = Path(tempfile.mkstemp(prefix="vllm-server-")[1])
        self._process: subprocess.Popen[bytes] | None = None

    def launch(self) -> None:
        here = Path()
        model = KernelConfig(here, here, here, model=PILOT).model_path()
        options = {
            "--model": model,
            "--served-model-name": PILOT,
            "--host": "127.0.0.1",
            "--port": str(self.port),
            "--api-key": KEY,
            "--tool-call-parser": "hermes",
            "--dtype": "float32",
            "--max-num-seqs": "16",
            "--block-size": "32",
        }
        flags = ("--enable-auto-tool-choice", "--enable-prompt-tokens-details", "--enforce-eager")
        with self.log.open("ab") as log:
            self._process = subprocess.Popen(
                [
                    *(sys.executable, "-m", "vllm.entrypoints.openai.api_server"),
                    *(word for pair in options.items() for word in pair),
                    *flags,
                ],
                env=os.environ | ENVIRONMENT | {"HF_HUB_OFFLINE": "1"},
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                start_new_session=True,  # its EngineCore goes with it
            )

    def ready(self) -> VllmServer:
        """Wait until it serves."""
        deadline = time.monotonic() + START_S
        while not self._answers():
            assert self._process is not None
            assert self._process.poll() is None, self.log.read_text()[-3000:]
            assert time.monotonic() < deadline, self.log.read_text()[-3000:]
            time.sleep(0.1)
        return self

    def kill(self) -> None:
        """All of it, as a power cut would."""
        if self._process is not None:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(self._process.pid, signal.SIGKILL)
            self._process.wait()
            self._process = None

    def close(self) -> None:
        self.kill()
        self.log.unlink(missing_ok=True)

    def _answers(self) -> bool:
        try:
            with urllib.request.urlopen(f"http://127.0.0.1:{self.port}/health", timeout=2):
                return True
        except (urllib.error.URLError, OSError):
            return False


@contextlib.contextmanager
def vllm_server() -> Iterator[VllmServer]:
    server = VllmServer()
    try:
        server.launch()
        yield server
    finally:
        server.close()
