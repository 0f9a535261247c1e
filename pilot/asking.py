"""Requests as people word them: a grammar file's template behind one of many beginnings.

The heads of a request file are kinds of template: ``orders`` (list the files), ``questions``
(which files are here), ``clauses`` (which files there are), ``things`` (the names of the files) and
``whole``. The kind says which beginnings fit.
"""

# ruff: noqa: E501  (a template, like a table row, reads best on one line)

from __future__ import annotations

from functools import cache
from random import Random

from .grammar import blocks, expand, pool

BEGINNINGS = {
    "orders": (
        "please", "please", "please", "[can|could|would|will] you [please|kindly|]", "[can|could] you [quickly|just|maybe|perhaps]",
        "[I want|I'd like|I would like|I need|we need] you to", "you [should|can|may|could|must] now", "[now|then|next|first|finally|again|also|just|simply|quickly]",
        "go [and|ahead and]", "kindly", "let's", "[let us|time to|try to|help me to|be so kind as to]", "pls",
        "[it would be|it'd be|that would be] [great|nice|good|lovely|helpful] if you [could|would]",
        "[I was hoping|I hope] you [could|can]", "would you [be so kind and|be able to|be willing to]", "[may|can|might|could] I ask you to",
        "do me a favour and", "[your|the] [task|job|next task][ is to|:]", "[task|todo|job|next|request|order|one more]:",
        "is it possible to", "are you able to", "[we|I] [have to|should|must|need to|want to]", "[I'd|I would] [be glad|appreciate it|be happy] if you could",
        "[feel free to|it is time to|I ask you to|my request:|what I want:|here is what I need:]", "how about you", "why don't you",
        "[if you can|if possible|when you have a moment|before anything else|for a start|as a next step|quick one],",
    ),
    "clauses": (
        "tell me", "tell me", "[please|] [tell me|let me know|say|explain|show me|find out|check|see|look up]", "[can|could|would|will] you [please|] [tell me|say|find out|check|see|let me know]",
        "[do|would|might] you [know|happen to know|have an idea|remember]", "[I'd like|I would like|I want|I need|we need|I have] to [know|see|find out|learn|hear]",
        "I wonder", "I [am|'m] [wondering|curious|not sure|trying to find out|asking myself]", "[any|do you have any|have you an] idea",
        "[can|may|could] I [ask|know|see|learn]", "[I|we] [don't know|have no idea|forgot|wonder|must know|am interested in]", "[remind|inform] me",
        "[it would be good|I'd be glad|it would help] to know", "[question|what I want to know|my question is|the question is]:", "help me [find out|see|understand]",
        "[I'd|I would] love to know", "what I need to know is",
    ),
    "things": (
        "show me", "give me", "[please|] [show|give|get|bring|fetch|send|print|tell|display|find] [me|us]", "[show|print|display|output|present]",
        "[can|could|may|might] [I|we] [have|see|get|look at]", "[can|could|would|will] you [please|] [show|give|get|tell] me", "[I need|I want|we need|I'd like|I would like|I require]",
        "[I|we] [want|need|have|would like|am trying] to [see|have|get|look at|know]", "let me [see|have|look at]", "[let's|let us] [see|have|look at]",
        "[I'm|I am] [looking for|after|interested in|in need of]", "[do you have|have you got|where do I get|how do I get]", "[what I need is|what I want is|needed:|wanted:]",
        "[what about|how about|and|just|only|now]", "[I'd|I would] [love|be glad] to [see|have]",
    ),
}  # fmt: skip
_BARE = {"orders": 0.5, "clauses": 0.0, "things": 0.25, "questions": 0.9, "whole": 1.0}
_BEGINNINGS_OF_QUESTIONS = (
    "tell me:", "tell me,", "question:", "say,", "please tell me:", "[quick|one|a|another|next|small] question:", "just asking,", "[by the way|btw],", "I'd like to ask:",
)  # fmt: skip
_ENDS = ("for me", "right now", "now", "right away", "if you can", "if possible", "when you can", "quickly", "again", "first", "real quick", "thanks", "will you", "ok")  # fmt: skip
_OPEN_ENDED = ("{text}", "{fact}", "{task}", "{pattern}", "{sum}", "{topic}", "{name}", "{code}")
_NO_ORDERS = frozenset({"all", "can", "how", "is", "will", "please", "my", "like", "last"})


@cache
def _kinds(name: str) -> tuple[tuple[str, str], ...]:
    return tuple((kind, one) for kind, templates in blocks(name).items() for one in templates)


def say(rng: Random, name: str, /, **slots: str) -> str:
    """One request of ``requests/NAME.txt``."""
    kind, template = rng.choice(_kinds(name))
    return expand(rng, begun(rng, kind, template), slots)


def begun(rng: Random, kind: str, template: str) -> str:
    """The template with a beginning, and at times an end, that fits its kind."""
    if kind == "orders" and rng.random() < 0.06 and not template.endswith(_OPEN_ENDED):
        template = f"{template} {rng.choice(_ENDS)}"
    if rng.random() < _BARE[kind]:
        return template
    if kind == "questions":
        return f"{rng.choice(_BEGINNINGS_OF_QUESTIONS)} {template}"
    return f"{rng.choice(BEGINNINGS[kind])} {template}".replace(" '", "'")


def say_any(rng: Random, template: str, /, **slots: str) -> str:
    """A request from a template of unknown kind: behind a beginning only if it is an order."""
    sentence = expand(rng, template, {slot: "{" + slot + "}" for slot in slots})
    first = sentence.split(" ", 1)[0]
    if first in pool("verbs") and first not in _NO_ORDERS:
        sentence = begun(rng, "orders", sentence)
    return expand(rng, sentence, slots)
