"""How long three programs are in llmos and in four frameworks, and that each does what it says.

The frameworks are never installed beside llmos: `--environments DIR` holds a virtual environment
for each (DIR/langgraph, DIR/crewai, …; what goes into them is in `INSTALLED`). Every program runs
once: llmos's, which are those of `examples/`, on a kernel of its own, the others against a plain
vLLM server with the same pilot, greedy, with the tools of `tools.py`. While a supervisor runs, the
first request of one of its jobs is refused, by a proxy before the server: a program that does not
start the job anew does not get through. (llmos's own has its process killed instead.)
"""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
import threading
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent.parent))
sys.path.insert(0, str(Path(__file__).parent.parent.parent / "tests"))

from code_lines import lines_of_code
from harness import KernelProcess, running_kernel
from report import report
from vllm_server import KEY, VllmServer

HERE = Path(__file__).parent
EXAMPLES = HERE.parent.parent / "examples"
INSTALLED = {
    "langgraph": ("langgraph", "langchain", "langchain-openai"),
    "crewai": ("crewai",),
    "autogen": ("autogen-agentchat", "autogen-ext"),
    "openai-agents": ("openai-agents",),
}
TRUE = {
    "map_reduce": ("= 1000",),
    "writer_and_critic": ("accepted: 135 - 72 = 63",),
    "supervisor": ("12 * 48 = 576", "3 * 95 = 285", "576 + 285 = 861"),
}
"""What the output of each has."""

REFUSED = b"what is 3 * 95"
"""The job whose first request fails."""


class Server(VllmServer):
    """Greedy, as the kernel asks its engine to be."""

    def _options(self) -> list[str]:
        return [*super()._options(), "--override-generation-config", '{"temperature": 0}']


@contextmanager
def refusing(endpoint: str) -> Iterator[tuple[str, list[bytes]]]:
    """A proxy before the server, and what it has refused."""
    refused: list[bytes] = []

    class Proxy(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["Content-Length"]))
            if REFUSED in body and not refused:
                refused.append(body)
                return self._answer(400, b'{"error": {"message": "refused, this once"}}')
            headers = {"Content-Type": "application/json", "Authorization": f"Bearer {KEY}"}
            url = endpoint + self.path.removeprefix("/v1")
            try:
                with urllib.request.urlopen(urllib.request.Request(url, body, headers)) as answer:
                    self._answer(answer.status, answer.read())
            except urllib.error.HTTPError as error:
                self._answer(error.code, error.read())

        def _answer(self, status: int, body: bytes) -> None:
            self.send_response(status)
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_: object) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Proxy)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    try:
        yield f"http://127.0.0.1:{server.server_port}/v1", refused
    finally:
        server.shutdown()


def checked(name: str, run: subprocess.CompletedProcess[str]) -> str:
    """Its output, if that is true."""
    missing = [words for words in TRUE[name] if words not in run.stdout]
    assert not run.returncode and not missing, f"{missing}\n{run.stdout}\n{run.stderr[-3000:]}"
    return run.stdout


def of_framework(python: Path, path: Path, endpoint: str) -> subprocess.CompletedProcess[str]:
    settings = {
        "OPENAI_API_KEY": KEY,
        "OPENAI_BASE_URL": endpoint,
        "OPENAI_AGENTS_DISABLE_TRACING": "1",
        "CREWAI_DISABLE_TELEMETRY": "true",
        "PYTHONPATH": str(HERE),
    }
    return subprocess.run(
        [python, path],
        env=os.environ | settings,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=180,
    )


def versions(python: Path, packages: tuple[str, ...]) -> dict[str, str]:
    code = "import sys, importlib.metadata as m; print(*map(m.version, sys.argv[1:]))"
    told = subprocess.run([python, "-c", code, *packages], check=True, capture_output=True)
    return dict(zip(packages, told.stdout.decode().split(), strict=True))


def of_llmos(kernel: KernelProcess) -> dict[str, int]:
    counted = {}
    for name in TRUE:
        checked(name, kernel.llmos("run", str(EXAMPLES / f"{name}.py")))
        counted[name] = lines_of_code((EXAMPLES / f"{name}.py").read_text())
    return counted


def of_frameworks(environments: Path, only: list[str]) -> tuple[dict[str, dict[str, int]], object]:
    counted: dict[str, dict[str, int]] = {}
    installed = {}
    server = Server()
    try:
        server.launch()
        server.ready()
        for framework in only:
            python = environments / framework / "bin" / "python"
            installed[framework] = versions(python, INSTALLED[framework])
            counted[framework] = {}
            for name in TRUE:
                path = HERE / framework / f"{name}.py"
                with refusing(server.endpoint) as (endpoint, refused):
                    print(framework, name, flush=True)
                    checked(name, of_framework(python, path, endpoint))
                    assert bool(refused) == (name == "supervisor")
                counted[framework][name] = lines_of_code(path.read_text())
    finally:
        server.close()
    return counted, installed


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--environments", type=Path, required=True, metavar="DIR")
    parser.add_argument("--only", nargs="*", default=list(INSTALLED), choices=INSTALLED)
    args = parser.parse_args()
    counted, installed = of_frameworks(args.environments, args.only)
    with running_kernel() as kernel:
        lines = {"llmos": of_llmos(kernel), **counted}
    report("frameworks", {"lines": lines}, {"versions": installed})


if __name__ == "__main__":
    main()
