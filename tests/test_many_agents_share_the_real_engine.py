"""On the real engine: many agents at once, batched, each with its own right answer."""

from __future__ import annotations

import threading
import time
from concurrent.futures import ThreadPoolExecutor

from harness import KernelProcess


def product(kernel: KernelProcess, number: int) -> tuple[int, str]:
    """One client with one task."""
    with kernel.wire() as wire:
        pid = wire.get("spawn", task=f"what is {number} * 12", root=str(kernel.root))["pid"]
        ended = wire.get("wait", pid=pid)
        return ended["status"], ended["output"]


def test_sixteen_clients_get_sixteen_products(kernel: KernelProcess) -> None:
    numbers = range(21, 37)
    most_at_once = 0
    done = threading.Event()

    def watch() -> None:
        nonlocal most_at_once
        with kernel.wire() as wire:
            while not done.is_set():
                running = wire.get("status")["engine"]["running"]
                most_at_once = max(most_at_once, running)
                time.sleep(0.005)

    watcher = threading.Thread(target=watch)
    watcher.start()
    with ThreadPoolExecutor(len(numbers)) as pool:
        outcomes = list(pool.map(lambda number: product(kernel, number), numbers))
    done.set()
    watcher.join()
    assert [status for status, _ in outcomes] == [0] * len(numbers)
    for number, (_, output) in zip(numbers, outcomes, strict=True):
        assert str(number * 12) in output.replace(",", ""), (number, output)
    assert most_at_once >= 8, "they were not in the engine together"


def test_a_person_goes_first_and_who_stands_back_for_it_loses_nothing(
    kernel: KernelProcess,
) -> None:
    numbers = range(21, 45)
    with ThreadPoolExecutor(len(numbers)) as pool, kernel.wire() as wire:
        outcomes = pool.map(lambda number: product(kernel, number), numbers)
        pid = wire.get("spawn", interactive=True, root=str(kernel.root), attach=True)["pid"]
        for question, answer in (("what is 6 * 7", "42"), ("what is 30 * 12", "360")) * 2:
            wire.get("send", pid=pid, text=question)
            assert answer in wire.until("turn")["text"]
        for number, (status, output) in zip(numbers, outcomes, strict=True):
            assert status == 0
            assert str(number * 12) in output.replace(",", ""), (number, output)
        wire.get("kill", pid=pid)
    assert "interactive requests go first" in kernel.log.read_text(), "vLLM lacks something"


def test_usage_says_what_the_prefix_cache_saved(kernel: KernelProcess) -> None:
    """Two agents of one kind: the second one's prompt is mostly cached."""
    with kernel.wire() as wire:
        for number in (41, 42):
            pid = wire.get("spawn", task=f"what is {number} * 12", root=str(kernel.root))["pid"]
            usage = wire.get("wait", pid=pid)["usage"]
    assert usage["tokens_out"] > 5
    assert usage["syscalls"] == 1
    assert usage["engine_s"] > 0
    assert usage["tokens_cached"] / usage["tokens_in"] > 0.5, usage


def test_ctrl_c_keeps_the_partial_text_and_frees_the_engine(kernel: KernelProcess) -> None:
    with kernel.wire() as wire:
        pid = wire.get("spawn", interactive=True, root=str(kernel.root), attach=True)["pid"]
        for _ in range(10):
            wire.get("send", pid=pid, text="what can you do?")
            event = wire.read()
            while event.get("event") != "text":
                event = wire.read()
            wire.get("kill", pid=pid, signal="INT")
            turn = wire.until("turn")
            if turn["status"] == "interrupted":
                break
        assert turn["status"] == "interrupted"
        assert turn["text"].startswith(event["text"])
        wire.get("send", pid=pid, text="what is 6 * 7")
        assert "42" in wire.until("turn")["text"]
        pages = wire.get("logs", pid=pid)["pages"]
        assert turn["text"] in [page["text"] for page in pages]
        wire.get("kill", pid=pid)
