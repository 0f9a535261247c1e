"""Conversations for training: scenes, one after the other, under one list of tools.

Everything comes from one seed. A row is a single conversation of exactly as many tokens as asked
for: no token is spent on padding, and many turns share the price of one tool list.
"""

from __future__ import annotations

import itertools
import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from random import Random
from typing import TypeAlias

from . import (
    chain_scenes,
    clock_scenes,
    file_scenes,
    note_scenes,
    plugin_scenes,
    process_scenes,
    talk_scenes,
)
from .held_out.fence import is_held_out
from .manners import spoken
from .scene import Message, Scene, messages
from .tools import SYSCALLS, SYSTEM_PROMPT, Tool

_OTHER_PROMPTS = (
    "You are an agent.",
    "You are a helpful agent. Use the tools.",
    "You are an agent of llmos. Use the tools to do what is asked, then answer in a few words.",
    "You are a helper of llmos. Do the task with the tools and answer in a few words.",
    "Do what is asked with the tools that you have, then say what came out.",
    "You are a careful assistant. Use the tools to do what is asked.",
)

MANY = 8
"""Requests for tools that are not ours, in a conversation about little else."""

Maker: TypeAlias = Callable[[Random], Scene]
_OWN: tuple[tuple[float, Maker], ...] = (
    *file_scenes.SCENES,
    *process_scenes.SCENES,
    *clock_scenes.SCENES,
    *note_scenes.SCENES,
    *talk_scenes.SCENES,
    *chain_scenes.SCENES,
)
_OWN_WEIGHTS = list(itertools.accumulate(weight for weight, _ in _OWN))


@dataclass(frozen=True, slots=True)
class Mix:
    """What the conversations of one stage of training are like.

    ``tool_boxes`` is the share of conversations about nothing but tools that are not ours;
    ``short_lists`` is the share of conversations with only some of the syscalls on the list, two
    to ``longest_short_list`` of them; ``plugins`` the share with tools that are not ours;
    ``compounds`` the share of scenes that are two requests in one.
    """

    tool_boxes: float = 0.3
    short_lists: float = 0.4
    longest_short_list: int = 7
    plugins: float = 0.6
    compounds: float = 0.03


@dataclass(frozen=True, slots=True)
class Conversation:
    tools: tuple[Tool, ...]
    messages: list[Message]


def _tool_list(rng: Random, mix: Mix) -> tuple[list[Tool], list[Scene]]:
    """The tools of a conversation, and the scenes that call those which are not syscalls."""
    if rng.random() < mix.tool_boxes:
        return _box(rng)
    tools = list(SYSCALLS)
    if rng.random() < mix.short_lists:
        tools = rng.sample(tools, rng.randint(2, mix.longest_short_list))
    foreign: list[Scene] = []
    if rng.random() < mix.plugins:
        names = {tool.name for tool in tools}
        for _ in range(rng.choice((1, 2, 2, 3, 5))):
            scenes, extra = plugin_scenes.plugin_scenes(rng)
            extra += {scene.tools[0].name: scene.tools[0] for scene in scenes}.values()
            fresh = {tool.name for tool in extra}
            if fresh & names or len(fresh) < len(extra):
                continue
            foreign += scenes
            names |= fresh
            tools += extra
    rng.shuffle(foreign)
    if rng.random() < 0.75:
        tools.sort(key=lambda tool: tool.name)  # as the kernel lists them
    else:
        rng.shuffle(tools)
    return tools, foreign


def _box(rng: Random) -> tuple[list[Tool], list[Scene]]:
    """Tools that are not ours, and now and then some syscalls among them."""
    tools, scenes = plugin_scenes.tool_box(rng)
    if rng.random() < 0.5:
        tools += rng.sample(SYSCALLS, rng.randint(1, len(SYSCALLS)))
    if rng.random() < 0.75:
        tools.sort(key=lambda tool: tool.name)
    else:
        rng.shuffle(tools)
    return tools, scenes


def _draw(rng: Random) -> Scene:
    return rng.choices(_OWN, cum_weights=_OWN_WEIGHTS)[0][1](rng)


def _compound(rng: Random, first: Scene, second: Scene) -> Scene:
    glue = rng.choice((" and then ", " and ", ", then ", " and after that "))
    return Scene(
        first.request + glue + second.request,
        first.steps + second.steps,
        f"{first.answer} {second.answer}",
        absent=first.absent + second.absent,
    )


_WORD = re.compile(r"[a-z]{4,}")
_USUAL = frozenset(
    "file files folder folders text texts word words line lines name names note notes list with "
    "from that this what into have your them tell show give show find make read write about number "
    "current whether which return returns gets check".split()
)


def _stems(text: str) -> set[str]:
    """The beginnings of the words that mean something."""
    return {word[:5] for word in _WORD.findall(text.lower()) if word not in _USUAL}


def _fits(scene: Scene, names: set[str], foreign: set[str]) -> bool:
    """Whether ``names`` hold every tool that the scene needs, and no better one: none of the words
    ``foreign``, of tools that are not syscalls, stands in the request."""
    if not scene.needs() <= names or names & set(scene.absent):
        return False
    return not (foreign and _stems(scene.request) & foreign)


def _own_scene(rng: Random, names: set[str], foreign: set[str], mix: Mix) -> Scene:
    while True:
        scene = _draw(rng)
        if not _fits(scene, names, foreign) or is_held_out(scene.request):
            continue
        if scene.steps and not scene.follow_ups and rng.random() < mix.compounds:
            other = _draw(rng)
            if other.steps and _fits(other, names, foreign) and scene.request.isprintable():
                return _compound(rng, scene, replace(other, follow_ups=()))
        return scene


def _filled(rng: Random, scene: Scene, tools: list[Tool]) -> Scene:
    """A scene about the tool list itself gets the names of that list."""
    if "{tools}" in scene.answer:
        return replace(scene, answer=f"I can use these tools: {', '.join(t.name for t in tools)}.")
    if scene.answer == "{tool}: {description}":
        tool = rng.choice(tools)
        return replace(
            scene,
            request=scene.request.replace("{tool}", tool.name),
            answer=f"{tool.name}: {tool.description}",
        )
    return scene


def conversation(rng: Random, mix: Mix, num_characters: int) -> Conversation:
    """A conversation of at least ``num_characters``, tool list included."""
    tools, foreign = _tool_list(rng, mix)
    names = {tool.name for tool in tools}
    prompt = SYSTEM_PROMPT if rng.random() < 0.85 else rng.choice(_OTHER_PROMPTS)
    turns: list[Message] = [{"role": "system", "content": prompt}]
    size = sum(len(tool.description) + 30 for tool in tools)
    known = {tool.name for tool in SYSCALLS}
    others = [tool for tool in tools if tool.name not in known]
    words = _stems(" ".join(f"{tool.name.replace('_', ' ')} {tool.description}" for tool in others))
    while size < num_characters:
        if foreign and rng.random() < (0.9 if len(foreign) > MANY else 0.65):
            scene = foreign.pop()
        else:
            scene = _filled(rng, _own_scene(rng, names, words, mix), tools)
        for one in (scene, *scene.follow_ups):
            request = spoken(rng, one)
            if is_held_out(request):
                break
            added = messages(one, request)
            size += sum(len(str(turn)) for turn in added)
            turns += added
    return Conversation(tuple(tools), turns)


def conversations(seed: int | str, mix: Mix, num_characters: int) -> Iterator[Conversation]:
    """Endlessly many, the same for the same arguments."""
    rng = Random(seed)
    while True:
        yield conversation(rng, mix, num_characters)
