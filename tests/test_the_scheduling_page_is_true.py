"""What docs/scheduling.md says in tables and numbers is what the kernel does."""

from __future__ import annotations

import re
from pathlib import Path

from llmos.kernel.config import KernelConfig
from llmos.kernel.scheduling import DEFAULT, fair, job, load, mlfq, names, round_robin
from llmos.kernel.scheduling.run_queue import ELDER_EVERY, NICE_S, PASSED_S, PATIENCE_S

PAGE = (Path(__file__).parent.parent / "docs" / "scheduling.md").read_text()
TEXT = " ".join(PAGE.split())


def test_every_policy_is_in_the_table_and_says_when_it_gives_its_slot_back() -> None:
    table, _, _ = PAGE.partition(f"`{DEFAULT}` is the default")
    rows = re.findall(r"^\| ([a-z-]+) \| .* \| (.*) \|$", table, re.MULTILINE)[1:]
    assert [name for name, _ in rows] == names()
    for name, gives in rows:
        policy = load(name)
        assert policy.preempts == ("to a person" in gives)
        assert ("128 tokens" in gives) == hasattr(policy, "quantum_tokens")
        assert policy.working_set == (name != "fifo")
    assert f"`{DEFAULT}` is the default" in TEXT


def test_the_numbers_are_the_kernels() -> None:
    assert fair.QUANTUM_TOKENS == round_robin.QUANTUM_TOKENS == 128
    assert f"passed for {PASSED_S:.0f} s" in TEXT
    assert (
        f"waited for {PATIENCE_S:.0f} s" in TEXT and f"at most {ELDER_EVERY}·(n + 1) more" in TEXT
    )
    assert f"levels end at {mlfq.LEVEL_TOKENS} tokens" in TEXT
    assert f"then at {mlfq.LEVEL_FACTOR} times as many each" in TEXT
    assert f"for {job.INTERACTIVE_TOKENS} tokens of a turn" in TEXT
    assert NICE_S == 0.5 and "half a second of waiting" in TEXT
    assert fair.NICE_FACTOR == 1.25 and "a quarter of a share" in TEXT
    assert f"No more than {KernelConfig(Path(), Path(), Path()).max_waiting} processes" in TEXT
