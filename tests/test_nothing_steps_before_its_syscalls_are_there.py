"""What is spawned while the kernel boots waits for the plugins, and then runs once."""

from __future__ import annotations

from harness import KernelProcess

SLOW = '''
import time
from llmos import syscall

time.sleep(1.0)

@syscall(effect="pure")
def tell_me() -> str:
    """Tell something."""
    return "something"
'''


def test_a_task_that_comes_before_its_plugin(own_kernel: KernelProcess) -> None:
    own_kernel.plugins_dir.mkdir(parents=True)
    (own_kernel.plugins_dir / "slow.py").write_text(SLOW)
    own_kernel.start()  # its socket answers; the plugin is being imported
    with own_kernel.wire() as wire:
        root = str(own_kernel.root)
        tasks = [wire.get("spawn", task="call tell_me", root=root)["pid"] for _ in range(5)]
        talk = wire.get("spawn", interactive=True, root=root, attach=True)["pid"]
        wire.get("exec", pid=talk, task="other work")
        assert wire.until("turn")["text"] == "You said: other work"
        ended = [wire.get("wait", pid=pid, timeout_s=60.0) for pid in tasks]
        pages = [len(wire.get("logs", pid=pid)["pages"]) for pid in tasks]
    assert [(end["status"], end["output"]) for end in ended] == [(0, "something")] * 5
    assert pages == [4] * 5


def test_tools_that_come_before_their_plugin(own_kernel: KernelProcess) -> None:
    own_kernel.plugins_dir.mkdir(parents=True)
    (own_kernel.plugins_dir / "slow.py").write_text(SLOW)
    own_kernel.start()
    with own_kernel.wire() as wire:
        root = str(own_kernel.root)
        pid = wire.get("spawn", task="call tell_me", root=root, tools=["tell_me"])["pid"]
        assert wire.get("wait", pid=pid, timeout_s=60.0)["output"] == "something"
    own_kernel.kill9()
    own_kernel.start()
    with own_kernel.wire() as wire:
        child = {"name": "one", "task": "call tell_me", "restart": "temporary"}
        spec = {"children": [{**child, "tools": ["tell_me"]}]}
        pid = wire.get("supervise", spec=spec, root=root)["pid"]
        assert wire.get("wait", pid=pid, timeout_s=60.0)["status"] == 0
    own_kernel.kill9()
    own_kernel.start()
    with own_kernel.wire() as wire:
        refused = wire.ask("spawn", task="x", root=root, tools=["tell_mee"])["error"]
        assert refused["code"] == "ENOSYS"
        assert "tell_me" in refused["hint"]
