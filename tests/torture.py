"""The torture: a kernel under load, killed at random moments, many times; nothing may be lost.

Several clients spawn, talk, fork, stop, continue, kill and wait (`torture_client.py`). Meanwhile
`kill -9` hits the kernel, sometimes while it recovers, or a client, or the engine's process. After
each recovery and at the end, what was acknowledged is held against what there is
(`torture_verdict.py`). `make torture` runs it; the last line is its report as JSON. A recovery is
timed from the start of the process to its first answer.
"""

from __future__ import annotations

import argparse
import json
import os
import random
import signal
import subprocess
import sys
import time
from dataclasses import asdict, dataclass, field
from pathlib import Path

import psutil

from harness import KernelProcess
from torture_verdict import COUNTED, Verdict

APPEND = '''
import os, time
from llmos import syscall

@syscall(effect="once")
def append(word: str) -> str:
    """Add a word to the list."""
    with open({path!r}, "a") as file:
        file.write(word + "\\n")
        file.flush()
        os.fsync(file.fileno())
    time.sleep(0.05)
    return f"added {{word}}"
'''

MAX_ENGINE_KILLS = 3
"""In the life of one kernel: one more within a minute, and it gives the engine up."""
LAST_CHECK_S = 120.0


@dataclass
class Report:
    kills: int
    lost: int
    repeated: int
    recovery_p99_s: float
    recovery_p50_s: float
    killed: dict[str, int]
    processes: int
    messages: int
    effects: int
    problems: list[str] = field(default_factory=list)


class Torture:
    """One kernel folder and its clients, from the first boot to the last check."""

    def __init__(self, seed: int, num_clients: int = 3, engine: str = "simulated") -> None:
        self._rng = random.Random(seed)
        self._seed = seed
        self._engine = engine
        self._kernel = KernelProcess(f"--driver={engine}", "--temperature=0")
        self._verdict = Verdict(self._kernel.folder, COUNTED if engine == "simulated" else None)
        self._clients: list[subprocess.Popen[bytes]] = []
        self._num_clients = num_clients
        self._num_started = 0
        self._killed = {"kernel": 0, "recovering kernel": 0, "client": 0, "engine": 0}
        self._engine_kills = 0
        self._recoveries_s: list[float] = []

    def run(self, kills: int) -> Report:
        try:
            self._prepare()
            while sum(self._killed.values()) < kills:
                self._wait_for_the_engine()
                time.sleep(self._rng.uniform(0.05, 1.5))
                self._kill_something()
                self._say_how_it_goes()
            self._finish()
            return self._report()
        finally:
            for client in self._clients:
                client.kill()
            self._kernel.close()

    def _prepare(self) -> None:
        kernel = self._kernel
        (kernel.folder / "notes").mkdir()
        kernel.plugins_dir.mkdir(parents=True)
        plugin = APPEND.format(path=str(self._verdict.words))
        (kernel.plugins_dir / "append.py").write_text(plugin)
        kernel.start().ready()
        while len(self._clients) < self._num_clients:
            self._start_client()

    def _start_client(self) -> None:
        self._num_started += 1
        name = f"c{self._num_started}"
        client = Path(__file__).with_name("torture_client.py")
        self._clients.append(
            subprocess.Popen(
                [
                    sys.executable,
                    str(client),
                    str(self._kernel.folder),
                    name,
                    f"{self._seed} {name}",
                    self._engine,
                ],
                env=self._kernel.env,
            )
        )

    # ---- kills ----------------------------------------------------------------------------

    def _kill_something(self) -> None:
        choice = self._rng.random()
        if choice < 0.1:
            self._kill_client()
        elif choice < 0.45 and self._engine == "vllm" and self._engine_kills < MAX_ENGINE_KILLS:
            self._kill_engine()
        else:
            self._kill_kernel()

    def _wait_for_the_engine(self) -> None:
        """Half of the times: it loads for longer than a kernel mostly lives here, and would never
        be killed at work."""
        if self._engine == "vllm" and self._rng.random() < 0.5:
            self._kernel.ready()

    def _kill_client(self) -> None:
        victim = self._clients.pop(self._rng.randrange(len(self._clients)))
        victim.kill()
        victim.wait()
        self._killed["client"] += 1
        self._start_client()

    def _kill_engine(self) -> None:
        for child in psutil.Process(self._kernel.os_pid).children():
            if "EngineCore" in child.name():
                os.kill(child.pid, signal.SIGKILL)
                self._killed["engine"] += 1
                self._engine_kills += 1

    def _kill_kernel(self) -> None:
        self._kernel.kill9()
        self._killed["kernel"] += 1
        while self._rng.random() < 0.15:  # again, before it has recovered
            self._kernel.launch()
            time.sleep(self._rng.uniform(0.0, 1.0))
            self._kernel.kill9()
            self._killed["recovering kernel"] += 1
        started = time.monotonic()
        self._kernel.start()
        self._recoveries_s.append(time.monotonic() - started)
        self._engine_kills = 0
        with self._kernel.wire() as wire:
            self._verdict.check_now(wire)

    # ---- the end --------------------------------------------------------------------------

    def _finish(self) -> None:
        for client in self._clients:
            client.kill()
            client.wait()
        self._kernel.ready()
        with self._kernel.wire() as wire:
            self._verdict.check_at_last(wire, LAST_CHECK_S)

    def _say_how_it_goes(self) -> None:
        kills = sum(self._killed.values())
        verdict = self._verdict
        recovery = f"{self._recoveries_s[-1]:.2f} s" if self._recoveries_s else "not yet"
        print(
            f"{kills} kills: {len(verdict.subjects)} processes, {verdict.messages} messages, "
            f"recovery {recovery}, lost {verdict.lost}, repeated {verdict.repeated}",
            flush=True,
        )

    def _report(self) -> Report:
        verdict, recoveries_s = self._verdict, sorted(self._recoveries_s) or [0.0]
        return Report(
            kills=sum(self._killed.values()),
            lost=verdict.lost,
            repeated=verdict.repeated,
            recovery_p99_s=round(recoveries_s[int(0.99 * (len(recoveries_s) - 1))], 3),
            recovery_p50_s=round(recoveries_s[len(recoveries_s) // 2], 3),
            killed=self._killed,
            processes=len(verdict.subjects),
            messages=verdict.messages,
            effects=verdict.num_effects,
            problems=verdict.problems,
        )


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--kills", type=int, default=200)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--clients", type=int, default=3)
    parser.add_argument("--engine", choices=("simulated", "vllm"), default="simulated")
    options = parser.parse_args()
    report = Torture(options.seed, options.clients, options.engine).run(options.kills)
    print(json.dumps(asdict(report)), flush=True)
    sys.exit(bool(report.lost or report.repeated))
