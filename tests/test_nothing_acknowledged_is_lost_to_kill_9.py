"""After `kill -9` and a new boot, processes and their conversations are there and go on."""

from __future__ import annotations

import random
import time

from harness import KernelProcess

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


def test_a_conversation_goes_on_after_a_crash(own_kernel: KernelProcess) -> None:
    own_kernel.start().ready()
    with own_kernel.wire() as wire:
        pid = wire.get("spawn", interactive=True, root=str(own_kernel.root), attach=True)["pid"]
        wire.get("send", pid=pid, text="hello")
        wire.until("turn")
    own_kernel.kill9()
    own_kernel.start().ready()
    with own_kernel.wire() as wire:
        wire.get("attach", pid=pid)
        wire.get("send", pid=pid, text="again")
        assert wire.until("turn")["text"] == "You said: again"
        pages = wire.get("logs", pid=pid)["pages"]
    assert [page["text"] for page in pages] == [
        "hello",
        "You said: hello",
        "again",
        "You said: again",
    ]


def test_a_generation_that_was_cut_off_is_done_again(own_kernel: KernelProcess) -> None:
    own_kernel.start().ready()
    with own_kernel.wire() as wire:
        pid = wire.get("spawn", task="count 400", root=str(own_kernel.root), attach=True)["pid"]
        wire.until("text")
    own_kernel.kill9()
    own_kernel.start().ready()
    with own_kernel.wire() as wire:
        ended = wire.get("wait", pid=pid, timeout_s=60.0)
    assert ended["status"] == 0
    assert ended["output"].split()[-1] == "400"


def test_no_call_is_made_twice_and_no_message_is_lost_over_many_crashes(
    own_kernel: KernelProcess,
) -> None:
    """Tasks with a call that must not be repeated, and a crash every moment."""
    rng = random.Random(20)
    path = own_kernel.folder / "list.txt"
    own_kernel.plugins_dir.mkdir(parents=True)
    (own_kernel.plugins_dir / "append.py").write_text(APPEND.format(path=str(path)))
    pids: dict[int, str] = {}
    for crash in range(5):
        own_kernel.start().ready()
        with own_kernel.wire() as wire:
            while not any(s["name"] == "append" for s in wire.get("syscalls")["syscalls"]):
                time.sleep(0.05)
            for number in range(6):
                word = f"w{crash}-{number}"
                reply = wire.get(
                    "spawn",
                    task=f'call append {{"word": "{word}"}}',
                    root=str(own_kernel.root),
                )
                pids[reply["pid"]] = word
        time.sleep(rng.uniform(0.0, 0.4))
        own_kernel.kill9()
    own_kernel.start().ready()
    outputs: dict[str, str] = {}
    with own_kernel.wire() as wire:
        for pid, word in pids.items():
            outputs[word] = wire.get("wait", pid=pid, timeout_s=60.0)["output"]
        assert wire.get("fsck")["problems"] == []
    done = path.read_text().split()
    assert len(done) == len(set(done)), "a call was made twice"
    told = {word for word, output in outputs.items() if output == f"added {word}"}
    unsure = {word for word, output in outputs.items() if output.startswith("EINTR")}
    assert told | unsure == set(outputs), outputs
    assert told <= set(done), "a call was reported that never happened"


def test_sigterm_parks_processes_and_they_continue_at_the_next_boot(
    own_kernel: KernelProcess,
) -> None:
    own_kernel.start().ready()
    with own_kernel.wire() as wire:
        pid = wire.get("spawn", task="count 600", root=str(own_kernel.root), attach=True)["pid"]
        wire.until("text")
        assert own_kernel.terminate() == 0
    assert not own_kernel.socket.exists()
    own_kernel.start().ready()
    with own_kernel.wire() as wire:
        assert wire.get("wait", pid=pid, timeout_s=60.0)["output"].split()[-1] == "600"
