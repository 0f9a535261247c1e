"""Conversations for training: scenes, one after the other, under one list of tools.

Everything comes from one seed. A row is a single conversation of exactly as many tokens as asked
for: no token is spent on padding, and many turns share the price of one tool list.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from random import Random
from typing import TypeAlias

from . import (
    clock_scenes,
    file_scenes,
    note_scenes,
    plugin_scenes,
    process_scenes,
    talk_scenes,
)
from .exam import HELD_OUT, normal
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

Maker: TypeAlias = Callable[[Random], Scene]
_OWN: tuple[tuple[float, Maker], ...] = (
    *file_scenes.SCENES,
    *process_scenes.SCENES,
    *clock_scenes.SCENES,
    *note_scenes.SCENES,
    *talk_scenes.SCENES,
)
_OWN_WEIGHTS = list(itertools.accumulate(weight for weight, _ in _OWN))
_FOREIGN_WEIGHTS = list(itertools.accumulate(weight for weight, _ in plugin_scenes.SCENES))


@dataclass(frozen=True, slots=True)
class Mix:
    """What the conversations of one stage of training are like.

    ``short_lists`` is the share of conversations with only some of the syscalls on the list, two
    to ``longest_short_list`` of them; ``plugins`` the share with tools that are not ours;
    ``compounds`` the share of scenes that are two requests in one.
    """

    short_lists: float = 0.4
    longest_short_list: int = 7
    plugins: float = 0.35
    compounds: float = 0.03


@dataclass(frozen=True, slots=True)
class Conversation:
    tools: tuple[Tool, ...]
    messages: list[Message]


def _tool_list(rng: Random, mix: Mix) -> tuple[list[Tool], list[Scene]]:
    """The tools of a conversation, and the scenes that call those which are not syscalls."""
    tools = list(SYSCALLS)
    if rng.random() < mix.short_lists:
        tools = rng.sample(tools, rng.randint(2, mix.longest_short_list))
    foreign: list[Scene] = []
    if rng.random() < mix.plugins:
        names = {tool.name for tool in tools}
        for _ in range(rng.choice((1, 1, 2, 3))):
            scene = _draw(rng, plugin_scenes.SCENES, _FOREIGN_WEIGHTS)
            extra = [scene.tools[0]]
            if rng.random() < 0.5:
                extra.append(plugin_scenes.bystander(rng))
            fresh = {tool.name for tool in extra}
            if fresh & names or len(fresh) < len(extra):
                continue
            foreign.append(scene)
            names |= fresh
            tools += extra
    if rng.random() < 0.75:
        tools.sort(key=lambda tool: tool.name)  # as the kernel lists them
    else:
        rng.shuffle(tools)
    return tools, foreign


def _draw(rng: Random, scenes: tuple[tuple[float, Maker], ...], weights: list[float]) -> Scene:
    return rng.choices(scenes, cum_weights=weights)[0][1](rng)


def _compound(rng: Random, first: Scene, second: Scene) -> Scene:
    glue = rng.choice((" and then ", " and ", ", then ", " and after that "))
    return Scene(
        first.request + glue + second.request,
        first.steps + second.steps,
        f"{first.answer} {second.answer}",
        absent=first.absent + second.absent,
    )


def _fits(scene: Scene, names: set[str]) -> bool:
    """Whether ``names`` hold every tool that the scene needs, and no better one."""
    if not scene.needs() <= names or names & set(scene.absent):
        return False
    return not ("grep" in names and any(step.tool == "search_files" for step in scene.steps))


def _own_scene(rng: Random, names: set[str], mix: Mix) -> Scene:
    while True:
        scene = _draw(rng, _OWN, _OWN_WEIGHTS)
        if not _fits(scene, names):
            continue
        if scene.steps and not scene.follow_ups and rng.random() < mix.compounds:
            other = _draw(rng, _OWN, _OWN_WEIGHTS)
            if other.steps and _fits(other, names) and scene.request.isprintable():
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
    while size < num_characters:
        if foreign and rng.random() < 0.4:
            scene = foreign.pop()
        else:
            scene = _filled(rng, _own_scene(rng, names, mix), tools)
        for one in (scene, *scene.follow_ups):
            request = spoken(rng, one)
            if normal(request) in HELD_OUT:
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
