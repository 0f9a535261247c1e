"""Any sequence of what can be done to processes, crashes included, leaves the table sound.

`LLMOS_LONG_RUN=1000` tries so many sequences, each longer, and other ones every time.
"""

from __future__ import annotations

import asyncio
import itertools
import os
import tempfile
from collections import Counter
from collections.abc import Coroutine
from pathlib import Path
from typing import Any, TypeVar

from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from llmos.kernel.audit import audit
from llmos.kernel.engine.driver import Capacity, ChatRequest
from llmos.kernel.engine.simulated import Reply, echo
from llmos.kernel.kernel import Kernel
from llmos.kernel.limits import parse
from llmos.kernel.process import INIT_PID, MOVES, Process, State
from llmos.kernel.recovery import Recovered, recover
from llmos.kernel.signals import Signal
from llmos.syscalls.errno import SyscallError
from llmos.trace import virtual_time
from simulation import ROOT, Machine

T = TypeVar("T")

LONG_RUN = int(os.environ.get("LLMOS_LONG_RUN", "0"))
FEW_SLOTS = Capacity(max_num_seqs=3, window_tokens=800, kv_cache_tokens=8192)
TASKS = st.sampled_from(
    [
        "count 3",
        "count 120",
        "call receive",
        "call list_processes",
        "call wait_any",
        'call spawn {"task": "count 5"}',
        'call fork {"task": "count 5"}',
        'call exec {"task": "count 30"}',
        'call send {"pid": 2, "text": "s"}',
        'call wait {"pid": 2}',
        'call receive {"sender": 2}',
    ]
)
SIGNALS = st.sampled_from(
    [Signal.STOP, Signal.STOP, Signal.CONT, Signal.INT, Signal.TERM, Signal.KILL, Signal.XCPU]
)
LIMITS = st.sampled_from(
    [{}, {}, {"tokens": [40, 90]}, {"wall_s": [2, 3]}, {"children": 1}, {"depth": 2}, {"pages": 4}]
)
Act = Signal | str
ACTS = SIGNALS | st.sampled_from(["fork", "spawn", "exec", "send", "setpgid", "setsid"])
PICK = st.integers(0, 1_000_000)


def script(request: ChatRequest) -> Reply:
    if "say in a few words" in request.messages[-1].text:
        return Reply("half is done")
    return echo(request)


class Moves:
    """In the place of the attribute `Process.state`: notes each move that MOVES does not have."""

    def __init__(self, slot: Any) -> None:
        self.slot = slot
        self.wrong: list[str] = []

    def __get__(self, process: Process | None, owner: type) -> Any:
        return self if process is None else self.slot.__get__(process, owner)

    def __set__(self, process: Process, new: State) -> None:
        try:
            old = self.slot.__get__(process, Process)
        except AttributeError:  # it is being made
            old = new
        self.slot.__set__(process, new)
        if new is not old and new not in MOVES[old]:
            self.wrong.append(f"process {process.pid}: {old.value} to {new.value}")


class Table(RuleBasedStateMachine):
    """Rules do; what they have begun may go on while the next ones do theirs."""

    def __init__(self) -> None:
        super().__init__()
        self.moves = Moves(Process.__dict__["state"])
        setattr(Process, "state", self.moves)  # noqa: B010
        self.folder = tempfile.TemporaryDirectory()
        self.loop = virtual_time.VirtualLoop()
        asyncio.set_event_loop(self.loop)
        self.machine = Machine(
            Path(self.folder.name), self.loop, script, FEW_SLOTS, max_processes=40, last_turn_s=2.0
        )
        self.acknowledged: set[int] = set()  # pids
        self.sent: dict[str, int] = {}  # text of a message that was acknowledged, to whom
        self.numbers = itertools.count()
        self.granted = 0  # tokens of budgets that came from nowhere
        self.exits: dict[int, tuple[int, str]] = {}
        self.machine.disk_ticks = 1
        self.run(self.machine.boot())

    def teardown(self) -> None:
        try:
            self.run(self.wind_up())
        finally:
            self.run(self.machine.park())
            self.run(self.machine.plugins.close())
            self.loop.close()
            asyncio.set_event_loop(None)
            self.folder.cleanup()
            setattr(Process, "state", self.moves.slot)  # noqa: B010

    def run(self, work: Coroutine[Any, Any, T]) -> T:
        return self.loop.run_until_complete(work)

    @property
    def kernel(self) -> Kernel:
        return self.machine.kernel

    def pick(self, number: int) -> Process:
        processes = [process for process in self.kernel.table if process.pid != INIT_PID]
        return processes[number % len(processes)]

    def some(self) -> bool:
        return len(self.kernel.table) > 1

    async def asked(self, work: Coroutine[Any, Any, T]) -> T | None:
        """As a client asks: a refusal is an answer."""
        try:
            return await work
        except SyscallError:
            return None

    # ---- rules ----------------------------------------------------------------------------

    @rule(
        task=st.none() | TASKS,
        below=st.none() | PICK,
        limits=LIMITS,
        budget=st.sampled_from([None, None, 60, 500]),
        nice=st.sampled_from([None, -5, 10]),
    )
    def spawn(
        self,
        task: str | None,
        below: int | None,
        limits: dict[str, Any],
        budget: int | None,
        nice: int | None,
    ) -> None:
        above = self.pick(below) if below is not None and self.some() else None
        endless = above is None or above.budget is None
        made = self.run(
            self.asked(
                self.kernel.spawn(
                    task=task,
                    name=None,
                    root=ROOT,
                    parent=above.pid if above else INIT_PID,
                    interactive=task is None,
                    limits=parse(limits),
                    budget=budget,
                    nice=nice,
                )
            )
        )
        self.made(made, budget if endless else None)

    @precondition(some)
    @rule(number=PICK, task=st.none() | TASKS, budget=st.sampled_from([None, None, 30]))
    def fork(self, number: int, task: str | None, budget: int | None) -> None:
        parent = self.pick(number)
        endless = parent.budget is None
        made = self.run(self.asked(self.kernel.fork(parent, task=task, budget=budget)))
        self.made(made, budget if endless else None)

    def made(self, process: Process | None, granted: int | None) -> None:
        if process is not None:
            assert process.pid not in self.acknowledged, "no pid twice"
            self.acknowledged.add(process.pid)
            self.granted += granted or 0

    @precondition(some)
    @rule(number=PICK, task=TASKS)
    def exec(self, number: int, task: str) -> None:
        self.run(self.asked(self.kernel.exec(self.pick(number), task=task)))

    @precondition(some)
    @rule(number=PICK, other=st.none() | PICK)
    def set_group(self, number: int, other: int | None) -> None:
        process = self.pick(number)
        group = process.pid if other is None else self.pick(other).group
        self.run(self.asked(self.kernel.set_group(process, group)))

    @precondition(some)
    @rule(number=PICK)
    def set_session(self, number: int) -> None:
        self.run(self.asked(self.kernel.set_session(self.pick(number))))

    @precondition(some)
    @rule(number=PICK, signal=SIGNALS)
    def signal(self, number: int, signal: Signal) -> None:
        self.run(self.kernel.signal(self.pick(number), signal))

    @precondition(some)
    @rule(
        number=PICK,
        acts=st.lists(st.tuples(ACTS, st.integers(0, 5)), min_size=2, max_size=6),
        end=st.sampled_from(["all is over", "all is over", "clients leave", "crash"]),
    )
    def at_once(self, number: int, acts: list[tuple[Act, int]], end: str) -> None:
        """Several to one process, some turns of the loop apart."""
        process = self.pick(number)

        async def all_of_them() -> None:
            clients = []
            for act, ticks in acts:
                clients.append(asyncio.create_task(self.try_act(process, act)))
                for _tick in range(ticks):
                    await asyncio.sleep(0)
            if end == "clients leave":
                for client in clients:
                    client.cancel()
            if end == "crash":
                await self.machine.crash()
                await self.machine.boot()
            await asyncio.gather(*clients, return_exceptions=True)

        self.run(all_of_them())

    async def try_act(self, process: Process, act: Act) -> None:
        await self.asked(self.act(process, act))

    async def act(self, process: Process, act: Act) -> None:
        """What is acknowledged is noted, and only then."""
        kernel = self.kernel
        match act:
            case Signal():
                await kernel.signal(process, act)
            case "fork":
                self.made(await kernel.fork(process, task="count 5"), None)
            case "spawn":
                below = kernel.spawn(task="count 5", name=None, root=ROOT, parent=process.pid)
                self.made(await below, None)
            case "exec":
                await kernel.exec(process, task="count 9")
            case "setpgid":
                await kernel.set_group(process, process.pid)
            case "setsid":
                await kernel.set_session(process)
            case _:
                text = f"message-{next(self.numbers)}"
                await kernel.send(process.pid, text)
                self.sent[text] = process.pid

    @precondition(some)
    @rule(number=PICK, sender=PICK, from_outside=st.booleans())
    def send(self, number: int, sender: int, from_outside: bool) -> None:
        process = self.pick(number)
        text = f"message-{next(self.numbers)}"
        whose = 0 if from_outside else self.pick(sender).pid

        async def send() -> bool:
            await self.kernel.send(process.pid, text, whose)
            return True

        if self.run(self.asked(send())):
            self.sent[text] = process.pid

    @precondition(some)
    @rule(number=PICK)
    def wait(self, number: int) -> None:
        """As a client: a zombie of pid 1 is reaped."""
        process = self.pick(number)
        if not process.alive and process.parent == INIT_PID:
            self.run(self.kernel.reap(process))

    @rule(seconds=st.sampled_from([0.0, 0.003, 0.05, 0.5, 4.0]))
    def time_passes(self, seconds: float) -> None:
        self.run(asyncio.sleep(seconds))

    @rule(ticks=st.integers(1, 30))
    def loop_turns(self, ticks: int) -> None:
        async def turn() -> None:
            for _tick in range(ticks):
                await asyncio.sleep(0)

        self.run(turn())

    @rule(ticks=st.integers(0, 12))
    def the_disk_takes(self, ticks: int) -> None:
        assert self.machine.disk is not None
        self.machine.disk.ticks = self.machine.disk_ticks = ticks

    @rule()
    def crash(self) -> None:
        self.run(self.machine.crash())
        self.run(self.machine.boot())

    @rule()
    def engine_dies(self) -> None:
        if self.kernel.engine.status(0).state == "ready":
            self.machine.driver.crash()
            self.kernel.engine._deaths.clear()  # it may, as often as it likes

    @rule()
    def halt(self) -> None:
        self.run(self.machine.park())
        self.run(self.machine.boot())

    # ---- invariants -----------------------------------------------------------------------

    @invariant()
    def states_move_as_drawn(self) -> None:
        assert not self.moves.wrong

    @invariant()
    def the_tree_is_one(self) -> None:
        table = self.kernel.table
        for process in table:
            if process.pid != INIT_PID:
                parent = table.find(process.parent)
                assert parent.alive, f"{process.pid} has a dead parent, {parent.pid}"

    @invariant()
    def the_indexes_agree_with_a_recount(self) -> None:
        table = self.kernel.table
        processes = list(table)
        pids = [process.pid for process in processes]
        assert pids == sorted(set(pids))
        assert table.num_alive() == sum(process.alive for process in processes)
        for key, index in (("parent", table._children), ("group", table._groups)):
            found = {(k, pid) for k, members in index.items() for pid in members}
            assert found == {(getattr(process, key), process.pid) for process in processes}
            assert all(index.values()), "no empty ones are left"

    @invariant()
    def a_group_is_within_one_session(self) -> None:
        sessions = {process.group: process.session for process in self.kernel.table}
        for process in self.kernel.table:
            assert process.session == sessions[process.group], process.pid

    @invariant()
    def everyone_can_go_on(self) -> None:
        """Runnable, stopped, or blocked on something that exists."""
        kernel, table = self.kernel, self.kernel.table
        assert len(kernel.scheduler._running) <= FEW_SLOTS.max_num_seqs
        steppers = Counter(t.get_name() for t in asyncio.all_tasks(self.loop) if not t.done())
        for process in table:
            if process.pid == INIT_PID or not process.alive:
                continue
            num_steppers = steppers[f"process {process.pid}"]
            being_replaced = process.pid not in kernel._at_work
            assert num_steppers == 1 or (being_replaced and not num_steppers), process.pid
            if process.state is State.STOPPED:
                assert process.stopped or process.continued.is_set()
            if process.state is State.BLOCKED:
                assert process.waits_for
            for other in process.waiting.on:
                assert other in table or process.waiting.over()

    @invariant()
    def memory_is_what_the_journal_holds(self) -> None:
        """Compared as the journal settles: what was asked for before has happened in both, and
        what was asked for after in neither."""
        looked: list[tuple[Recovered, int, list[int]]] = []
        self.run(
            self.kernel.journal.write(
                lambda connection: looked.append(_look(connection)),
                lambda: self.compare(*looked[0]),
            )
        )

    def compare(self, found: Recovered, budgets: int, stranded: list[int]) -> None:
        table, kernel = self.kernel.table, self.kernel
        written = {process.pid: process for process in found.processes}
        assert set(written) == {process.pid for process in table}
        for process in table:
            other = written[process.pid]
            for name in ("group", "session", "image", "name", "nice", "interactive", "stopped"):
                if not process.alive and name == "stopped":
                    continue
                mine = getattr(process, name)
                assert mine == getattr(other, name), (process.pid, name)
            assert (process.exit is None) == (other.exit is None)
            assert [e.page for e in process.space.resident] == [
                e.page for e in other.space.resident
            ]
            if process.alive and process.pending is not Signal.INT and not process.ending:
                assert process.pending in (None, other.pending), "a signal is forgotten"
            if process.alive:
                assert [m.id for m in process.mailbox] == [m.id for m in other.mailbox]
                assert process.budget == other.budget or kernel._unborn[process.pid]
            if process.exit is not None:
                ended = (process.exit.status, process.exit.output)
                assert self.exits.setdefault(process.pid, ended) == ended, "an end is for good"
        assert budgets == self.granted, "tokens are made or lost"
        assert not stranded, "what the dead have left has not returned"

    @invariant()
    def nobody_who_was_acknowledged_is_gone(self) -> None:
        query = "SELECT pid FROM process"
        rows = self.run(self.kernel.journal.read(lambda c: c.execute(query).fetchall()))
        assert self.acknowledged <= {pid for (pid,) in rows}

    @invariant()
    def no_message_is_lost_or_read_twice(self) -> None:
        rows = self.run(self.kernel.journal.read(_texts))
        table = self.kernel.table
        for text, pid in self.sent.items():
            places = rows[pid, text]
            process = table.get(pid)
            if process is not None and process.alive:
                assert places == 1, (text, pid, places)
            else:  # nobody read it before the end
                assert places <= 1, (text, pid, places)

    async def wind_up(self) -> None:
        """In the end memory and swap agree, every process can be ended, and all is given back."""
        assert (await audit(self.kernel))[1] == []
        for process in self.kernel.table:
            await self.kernel.signal(process, Signal.KILL)
        async with asyncio.timeout(20):
            while self.kernel.table.num_alive() > 1:
                await asyncio.sleep(0.01)
        assert self.kernel.scheduler.num_running == self.kernel.scheduler.num_waiting == 0
        assert not self.moves.wrong


STRANDED = """
WITH RECURSIVE line(pid, lender) AS (
    SELECT pid, lender FROM process
    WHERE exit_status IS NOT NULL AND budget != tokens_in - tokens_cached + tokens_out
    UNION SELECT line.pid, dead.lender FROM line
    JOIN process AS dead ON dead.pid = line.lender AND dead.exit_status IS NOT NULL
)
SELECT line.pid FROM line JOIN process ON process.pid = line.lender WHERE exit_status IS NULL
"""
"""Dead ones with something left of their budget, though one lives from whom it came."""


def _look(connection: Any) -> tuple[Recovered, int, list[int]]:
    (budgets,) = connection.execute("SELECT COALESCE(SUM(budget), 0) FROM process").fetchone()
    stranded = [pid for (pid,) in connection.execute(STRANDED)]
    return recover(connection), budgets, stranded


def _texts(connection: Any) -> Counter[tuple[int, str]]:
    """How often each message is somewhere: in the mailbox, or in a page of any image."""
    found: Counter[tuple[int, str]] = Counter(
        (pid, text) for pid, text in connection.execute("SELECT pid, text FROM message")
    )
    pages = connection.execute(
        "SELECT pid, text FROM page_table JOIN frame ON frame.id = frame"
        " WHERE role IN ('user', 'tool')"
    )
    for pid, text in pages:
        words = text.split()
        if words and words[-1].rstrip(")").startswith("message-"):
            found[pid, words[-1]] += 1
    return found


TestTheTableHolds = Table.TestCase
TestTheTableHolds.settings = settings(
    max_examples=LONG_RUN or 60,
    stateful_step_count=60 if LONG_RUN else 40,
    derandomize=not LONG_RUN,
    deadline=None,
    database=None,
    suppress_health_check=list(HealthCheck),
)
