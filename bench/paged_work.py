"""One agent's work under one policy: the address space, its tokens, and what they cost."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Protocol

from tokenizers import Tokenizer

from agent_trace import Task
from llmos.kernel.config import PREVIEW_TOKENS
from llmos.kernel.engine.prefix import PrefixCache
from llmos.memory import eviction
from llmos.memory.address_space import AddressSpace, Entry
from llmos.memory.page import Call, Page, Role
from llmos.memory.pager import Pager, Watermarks, head
from llmos.memory.quoting import cut_to

WINDOW = 4096
CALL_TOKENS, ANSWER_TOKENS, SUMMARY_TOKENS = 32, 64, 128


@dataclass(frozen=True, slots=True)
class Policy:
    """`head` is what stands for the pages that are gone: nothing, the kernel's line, or a summary
    that the model makes. Every `rereads`-th result that was cut is asked for whole."""

    name: str
    marks: Watermarks = field(default_factory=Watermarks)
    eviction: str = eviction.DEFAULT
    head: str = "line"
    preview_tokens: int = PREVIEW_TOKENS
    rereads: int = 0


class Engine(Protocol):
    async def answer(self, ids: list[int], count: int, salt: str) -> tuple[list[int], int]:
        """`count` tokens, and how many of the prompt's were cached."""
        ...


@dataclass(slots=True)
class Cost:
    """Of one policy, over all its calls."""

    calls: int = 0
    prompt_tokens: int = 0
    recomputed_tokens: int = 0
    mispredicted: int = 0
    flushes: int = 0
    resident: list[int] = field(default_factory=list)  # tokens of the conversation, each call
    largest: int = 0

    @classmethod
    def together(cls, costs: Sequence[Cost]) -> Cost:
        return cls(
            calls=sum(cost.calls for cost in costs),
            prompt_tokens=sum(cost.prompt_tokens for cost in costs),
            recomputed_tokens=sum(cost.recomputed_tokens for cost in costs),
            mispredicted=sum(cost.mispredicted for cost in costs),
            flushes=sum(cost.flushes for cost in costs),
            resident=[tokens for cost in costs for tokens in cost.resident],
            largest=max(cost.largest for cost in costs),
        )

    def figures(self, sliding: Cost) -> dict[str, float]:
        resident = sum(self.resident) / len(self.resident)
        return {
            "recomputed_ratio": round(self.recomputed_tokens / sliding.recomputed_tokens, 4),
            "recomputed_tokens": self.recomputed_tokens,
            "prompt_tokens": self.prompt_tokens,
            "cached": round(1 - self.recomputed_tokens / self.prompt_tokens, 4),
            "resident_tokens": round(resident),
            "resident_share": round(resident / WINDOW, 4),
            "flushes": self.flushes,
            "calls": self.calls,
            "largest_prompt": self.largest,
            "mispredicted": self.mispredicted,
        }


class Conversation:
    """A policy's side of the work: the address space, its tokens, and what they cost."""

    def __init__(
        self, policy: Policy, engine: Engine, cache: PrefixCache, tokenizer: Tokenizer, text: str
    ) -> None:
        self.cost = Cost()
        self._policy, self._engine, self._cache, self._tokenizer = policy, engine, cache, tokenizer
        self._space = AddressSpace(text)
        self._pager = Pager(WINDOW, ANSWER_TOKENS, policy.marks, eviction.load(policy.eviction))
        self._answers: dict[int, list[int]] = {}
        self._num_cut = 0

    async def work(self, task: Task) -> None:
        self.append("user", task.user)
        for result in task.results:
            await self._step(CALL_TOKENS)
            page = self.append("tool", result)
            if self._asks_for_the_whole(page):
                await self._step(CALL_TOKENS)
                if (entry := self._space.find(page.vpn)) is not None:
                    entry.used = len(self._space)
                self.append("tool", result, recalled=True)
        await self._step(ANSWER_TOKENS)

    def _asks_for_the_whole(self, page: Page) -> bool:
        is_cut = self._limit(page) is not None
        self._num_cut += is_cut
        every = self._policy.rereads
        return bool(every) and is_cut and self._num_cut % every == 0

    def append(self, role: Role, text: str, recalled: bool = False) -> Page:
        num_tokens = len(self._encode(text))
        page = self._space.new_page(role, text, num_tokens, call_id="1", recalled=recalled)
        self._space.append(page, limit_tokens=self._limit(page))
        return page

    def _limit(self, page: Page) -> int | None:
        """As the kernel cuts pages for a process that can page in the rest."""
        mapped = page.role == "tool" and not page.recalled
        preview = self._policy.preview_tokens if mapped else None
        return cut_to(page.num_tokens, self._pager.page_tokens, preview)

    async def _step(self, count: int) -> None:
        prompt_ids = await self._fitting()
        self.cost.resident.append(len(prompt_ids) - len(self._system()))
        self.cost.largest = max(self.cost.largest, len(prompt_ids))
        answer = await self._ask(prompt_ids, count)
        calls = (Call("1", "tool", "{}"),) if count == CALL_TOKENS else ()
        page = self._space.new_page("assistant", "", len(answer), calls=calls)
        self._answers[page.vpn] = answer
        self._space.append(page)

    async def _ask(self, prompt_ids: list[int], count: int) -> list[int]:
        """The engine's answer; it is counted."""
        salt = self._policy.name
        predicted = self._cache.predict(prompt_ids, salt=salt)
        answer, cached = await self._engine.answer(prompt_ids, count, salt)
        self._cache.computed(prompt_ids, answer, salt=salt)
        cost = self.cost
        cost.calls += 1
        cost.prompt_tokens += len(prompt_ids)
        cost.recomputed_tokens += len(prompt_ids) - cached
        cost.mispredicted += predicted != cached
        return answer

    async def _fitting(self) -> list[int]:
        """The prompt, after as many pages went out as must."""
        while self._pager.over(len(prompt_ids := self.prompt_ids())):
            victims = self._pager.victims(self._space, len(prompt_ids))
            assert victims, "the newest turn alone is larger than the window"
            self.cost.flushes += 1
            await self._page_out(victims)
        return prompt_ids

    async def _page_out(self, victims: Sequence[Entry]) -> None:
        space = self._space
        if self._policy.head == "summary":
            summary = await self._summary(victims)
        space.evict(victims)
        if self._policy.head == "line":
            space.head = head(space)
        elif self._policy.head == "summary":
            space.head = summary

    async def _summary(self, victims: Sequence[Entry]) -> str:
        """Of the summary so far and what leaves, as much as fits into the window."""
        said = [token for entry in victims for token in self._message(entry)]
        asked = self._framed("system", f"Sum up what was said.\n{self._space.head}")
        room = WINDOW - SUMMARY_TOKENS - len(asked) - 8
        prompt_ids = [*asked, *said[:room], *self._encode("<|im_start|>assistant\n")]
        return str(self._tokenizer.decode(await self._ask(prompt_ids, SUMMARY_TOKENS)))

    # ---- tokens ---------------------------------------------------------------------------

    def prompt_ids(self) -> list[int]:
        """By the pilot's template; answers are the tokens that were generated."""
        said = (token for entry in self._space.resident for token in self._message(entry))
        return [*self._system(), *said, *self._encode("<|im_start|>assistant\n")]

    def _system(self) -> list[int]:
        return self._framed("system", self._space.system)

    def _message(self, entry: Entry) -> list[int]:
        answer = self._answers.get(entry.page.vpn)
        if answer is None:
            return self._framed(entry.page.role, entry.shown())
        return [*self._encode("<|im_start|>assistant\n"), *answer, *self._encode("<|im_end|>\n")]

    def _framed(self, role: str, text: str) -> list[int]:
        return self._encode(f"<|im_start|>{role}\n{text}<|im_end|>\n")

    def _encode(self, text: str) -> list[int]:
        ids: list[int] = self._tokenizer.encode(text, add_special_tokens=False).ids
        return ids
