"""A plain server of vLLM's with the pilot: what `vllm serve` runs, started for a file of tests.

Most of its start is imports. So what starts it is a process that has imported, and is forked
each time; and the server's EngineCore is forked in turn (`kernel/engine/vllm.py` says how).
"""

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
from typing import Any

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
        with self.log.open("ab") as log:
            self._starter = subprocess.Popen(
                [sys.executable, __file__, *self._options()],
                env=os.environ | ENVIRONMENT | {"HF_HUB_OFFLINE": "1"},
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=log,
                text=True,
                bufsize=1,
            )
        self._os_pid = 0

    def _options(self) -> list[str]:
        here = Path()
        options = {
            "--model": KernelConfig(here, here, here, model=PILOT).model_path(),
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
        return [*(word for pair in options.items() for word in pair), *flags]

    def launch(self) -> None:
        """Start it, and wait for nothing but its process."""
        assert self._starter.stdin is not None and self._starter.stdout is not None
        print("start", file=self._starter.stdin)
        line = self._starter.stdout.readline()
        assert line, self.log.read_text()[-3000:]
        self._os_pid = int(line)

    def ready(self) -> VllmServer:
        """Wait until it serves."""
        deadline = time.monotonic() + START_S
        while not self._answers():
            assert Path(f"/proc/{self._os_pid}").exists(), self.log.read_text()[-3000:]
            assert time.monotonic() < deadline, self.log.read_text()[-3000:]
            time.sleep(0.1)
        return self

    def kill(self) -> None:
        """It and its EngineCore, as a power cut would."""
        if self._os_pid:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(self._os_pid, signal.SIGKILL)
        self._os_pid = 0

    def close(self) -> None:
        self.kill()
        self._starter.kill()
        self._starter.communicate()
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


# ---- the process that starts it ----------------------------------------------------------------


def start_when_told() -> None:
    """A server for each line of standard input, one after another; its pid is told."""
    import uvloop
    import vllm.v1.engine.async_llm  # noqa: F401  (what the server would import later)
    from vllm.engine.arg_utils import AsyncEngineArgs
    from vllm.entrypoints.launchers.api_server.entry import run_server
    from vllm.entrypoints.launchers.cli_args import make_arg_parser, validate_parsed_serve_args
    from vllm.utils.argparse_utils import FlexibleArgumentParser

    options = make_arg_parser(FlexibleArgumentParser()).parse_args()
    validate_parsed_serve_args(options)
    create = AsyncEngineArgs.create_engine_config

    def forking(self: Any, *given: Any, **named: Any) -> Any:
        config = create(self, *given, **named)
        config.parallel_config.distributed_executor_backend = "uni"
        os.environ["VLLM_WORKER_MULTIPROC_METHOD"] = "fork"
        return config

    AsyncEngineArgs.create_engine_config = forking
    for _ in sys.stdin:
        os_pid = os.fork()
        if not os_pid:
            os.setsid()
            os.dup2(2, 1)
            uvloop.run(run_server(options))
            os._exit(0)
        print(os_pid, flush=True)
        os.waitpid(os_pid, 0)


if __name__ == "__main__":
    start_when_told()
