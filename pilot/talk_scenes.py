"""Scenes without a tool: greetings, questions about the agent, what no tool can do."""

# ruff: noqa: E501  (a template, like a table row, reads best on one line)

from __future__ import annotations

from collections.abc import Callable
from random import Random

from . import words
from .grammar import one_of
from .scene import Scene

_HELLO = "Hello! What can I do for you?"
_WELCOME = "You are welcome."
NO_TOOL = "I have no tool for that."

_TALK: tuple[tuple[str, str], ...] = (
    ("[hi|hello|hey|hello there|hi there|hey there|hallo|hiya|howdy|yo|greetings]", _HELLO),
    ("[hi|hello|hey] [agent|llmos|you|friend|computer|{name}]", _HELLO),
    ("good [morning|evening|afternoon|day]", _HELLO),
    ("[hello|hi|hey], [are you there|anybody there|is anyone there|good morning]", _HELLO),
    ("[hello world|is anybody there|are you there|are you awake]", _HELLO),
    ("[thanks|thank you|thanks a lot|thank you very much|many thanks|thx|cheers|ty|much appreciated]", _WELCOME),
    ("[great|good|perfect|nice|ok|okay|wonderful], [thanks|thank you]", _WELCOME),
    ("[thanks|thank you] for [that|your help|the help|everything]", _WELCOME),
    ("that was [helpful|useful|kind], thanks", _WELCOME),
    ("[bye|goodbye|see you|see you later|bye bye|good night|farewell|until tomorrow|that is all]", "Goodbye."),
    ("[who|what] are you", "I am an agent of llmos."),
    ("[what is your name|what's your name|tell me who you are|introduce yourself|who am I talking to]", "I am an agent of llmos."),
    ("are you [an agent|a robot|a human|a bot|an AI|a person|a model]", "I am an agent of llmos."),
    ("[what is|what's] llmos", "llmos is an operating system for agents like me."),
    ("[how are you|how are you doing|how are you feeling|how do you do|how do you feel|how is it going|how's it going|what's up|are you well|how are you] [today|]", "I am fine. What can I do for you?"),
    ("[ok|okay|good|great|fine|nice|perfect|cool|all right|well done|good job|wonderful|excellent|very good]", "Good. What is next?"),
    ("[yes|no|maybe|sure|I see|right|never mind|nothing|not now|no thanks]", "Good. What is next?"),
    ("[sorry|oops|my mistake|I am sorry]", "No harm done."),
    ("you are [{adjective}|very {adjective}|so {adjective}]", "I do what I can."),
)  # fmt: skip

_ABILITIES = (
    "what can you do",
    "what [can|could] you do [for me|here|]",
    "what are you able to do",
    "what are you [good|useful] for",
    "[help|help me|i need help|please help]",
    "[which|what] tools [do you have|are there|can you use|have you got|can I use]",
    "[list|show|show me|name] [your|the|all your] tools",
    "how can you help [me|]",
    "what do you know how to do",
    "what [is possible|are my options|can I ask you|can I ask|can I do here]",
    "tell me what [you can do|tools you have|you are able to do|I can ask you|you are good for]",
    "[tell me|say] which tools [there are|you know|you can use|you have got]",
    "[your abilities|abilities|commands|tools|what are your abilities]",
)

_BEYOND = (
    "send [an email|a mail|a message|a letter] to {name} [about the {noun}|]",
    "[play|sing|stop] [music|a song|some music|the {noun} song]",
    "[order|buy|get] [me|] [a|some] [pizza|{noun}|coffee|{adjective} {noun}]",
    "[what is|what's|how is|how's] the weather [like|in {place}|today|tomorrow|]",
    "[will it|is it going to|does it] rain [in {place}|today|tomorrow|]",
    "book [a|the] [flight|hotel|train|table|taxi] [to|in|for] {place}",
    "translate {noun} [to|into] [French|German|Spanish|Italian|Russian]",
    "[open|start|close] [the|my|a] [browser|camera|door|window|{noun}]",
    "tell me a [joke|story|secret|poem]",
    "[write|compose|sing] [me|] a [poem|song|story] about [the|a|] {noun}",
    "who [won|is|was|invented|wrote|discovered] the {noun}",
    "who is [the president|the king|{name}|the queen of {place}]",
    "[call|phone|ring|text] [{name}|my {noun}|the {noun}]",
    "what is the capital of {place}",
    "what is [the meaning of life|love|a {noun}|an {noun}]",
    "[turn|switch] [on|off] the [light|lights|{noun}]",
    "[draw|paint] [me|] [a|the] {noun}",
    "[drive|fly|walk|carry|take] me to {place}",
    "how [old|tall|big|far|heavy] is [{place}|the {noun}|{name}]",
    "why is the {noun} {adjective}",
    "[clean|wash|paint|cook|mend|sell|fix|bake|feed] the {noun}",
    "download [the|a] {noun} [from the internet|]",
    "[browse|surf|go online|search the web|search the internet]",
    "[shut down|restart|reboot] the computer",
    "show me a picture of [a|the] {noun}",
    "do you [like|love|know|want] [me|{noun}s|a {noun}|{name}|{place}]",
    "[delete|rename|move] the {noun}",
    "[what|which] [colour|size|shape] is the {noun}",
    "make me [a|some] {noun}",
)

# With one of these on the list, some of the above could be done after all.
_PLUGINS = (
    "send_mail", "play_music", "weather", "translate", "tell_joke", "fetch", "make_folder", "define",
    "delete_file", "rename_file", "move_file", "run_python",
)  # fmt: skip

# For each syscall, requests that only it can serve: asked where it is not on the list.
_LACKING: tuple[tuple[str, str], ...] = (
    ("now", "[what time is it|what's the time|tell me the date|what day is it|what is the date]"),
    ("calculate", "[what is|calculate|how much is] {digits} [*|+|-|/|times|plus] {digits2}"),
    ("kill", "[kill|end|stop] [process|pid|helper] {digits}"),
    ("list_processes", "[which processes are running|list the processes|show me the processes]"),
    ("write_file", "write {noun} to {file}"),
    ("read_file", "[read|open|show me] {file}"),
    ("list_files", "[list the files|list the files here|what files are here|show me the files]"),
)

_USAGE = (
    "what [does|is] {tool} [do|for|]",
    "what is [the tool|] {tool} [for|good for]",
    "[explain|describe] [the tool|] {tool}",
    "what does the tool {tool} do",
    "how do I use {tool}",
)


def _slots(rng: Random) -> dict[str, str]:
    return {
        "noun": words.noun(rng), "adjective": rng.choice(words.ADJECTIVES), "name": words.name(rng),
        "place": words.place(rng), "digits": words.digits(rng, 3), "digits2": words.digits(rng, 3),
        "file": words.file_path(rng),
    }  # fmt: skip


def talk_scene(rng: Random) -> Scene:
    request, answer = rng.choice(_TALK)
    return Scene(one_of(rng, (request,), **_slots(rng)), (), answer, manners=False)


def beyond_scene(rng: Random) -> Scene:
    return Scene(one_of(rng, _BEYOND, **_slots(rng)), (), NO_TOOL, absent=_PLUGINS)


def lacking_scene(rng: Random) -> Scene:
    tool, request = rng.choice(_LACKING)
    return Scene(one_of(rng, (request,), **_slots(rng)), (), NO_TOOL, absent=(tool,))


def abilities_scene(rng: Random) -> Scene:
    """The answer names the tools of the list; the corpus fills them in as ``{tools}``."""
    request = one_of(rng, _ABILITIES)
    return Scene(request, (), "I can use these tools: {tools}.", manners=request[:4] == "tell")


def usage_scene(rng: Random) -> Scene:
    """A question about one tool of the list, filled in as ``{tool}`` and ``{description}``."""
    return Scene(one_of(rng, _USAGE, tool="{tool}"), (), "{tool}: {description}", manners=False)


SCENES: tuple[tuple[float, Callable[[Random], Scene]], ...] = (
    (0.9, talk_scene),
    (0.45, beyond_scene),
    (0.06, lacking_scene),
    (0.15, abilities_scene),
    (0.08, usage_scene),
)
