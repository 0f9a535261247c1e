"""Plugins of the examination, as a user would write them, and how each is asked for.

Every request shares words with the plugin's docstring; nothing else ties them together, for no
tool of the corpus has such a name or such a description.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from random import Random
from typing import Any

from ..grammar import one_of
from . import pools
from .question import RESULT, Call, Plugin, Question

_HEAD = "from llmos import syscall\n\n\n@syscall\n"


@dataclass(frozen=True, slots=True)
class Sample:
    """``signature`` and ``body`` make the plugin; the slots of ``requests`` are its arguments."""

    name: str
    signature: str
    description: str
    body: str
    requests: tuple[str, ...]

    def plugin(self) -> Plugin:
        source = (
            f"{_HEAD}def {self.name}({self.signature}) -> str:\n"
            f'    """{self.description}"""\n    return {self.body}\n'
        )
        return Plugin(self.name, source)


SAMPLES = (
    Sample(
        "moon_phase", "", "Tell the phase of the moon.", '"waxing crescent"',
        ("what is the phase of the moon", "tell me the phase of the moon", "moon phase please"),
    ),
    Sample(
        "tide", "harbour: str", "Tell when the tide is high at a harbour.", 'f"16:20 at {harbour}"',
        ("when is the tide high at {harbour}", "tell me the tide at {harbour}"),
    ),
    Sample(
        "vowels", "text: str", "Count the vowels of a text.",
        'f"{sum(text.count(v) for v in \'aeiou\')} vowels"',
        ("count the vowels of {text}", "how many vowels has {text}", "vowels of {text}"),
    ),
    Sample(
        "water_plant", "plant: str", "Water a plant of the house.", 'f"watered the {plant}"',
        ("water the plant {plant}", "could you water my {plant} plant"),
    ),
    Sample(
        "lamp_on", "", "Switch the lamp on.", '"the lamp is on"',
        ("switch the lamp on", "could you switch on the lamp", "lamp on please"),
    ),
    Sample(
        "palindrome", "word: str", "Check whether a word is a palindrome.",
        'f"{word}: " + ("yes" if word == word[::-1] else "no")',
        ("is {word} a palindrome", "check whether {word} is a palindrome"),
    ),
    Sample(
        "invoice", "customer: str, amount: int", "Write an invoice for a customer.",
        'f"invoice for {customer}: {amount}"',
        ("write an invoice for {customer} of {amount} euros",
         "invoice for {customer}, amount {amount}"),
    ),
    Sample(
        "reserve_seat", "train: int", "Reserve a seat on a train.", 'f"seat 14 on train {train}"',
        ("reserve a seat on train {train}", "I need to reserve a seat on the train {train}"),
    ),
    Sample(
        "compress", "path: str", "Compress a file.", 'f"compressed {path} to {path}.gz"',
        ("compress {path}", "could you compress the file {path}"),
    ),
    Sample(
        "initials", "name: str", "Give the initials of a name.",
        '"".join(part[0].upper() for part in name.split())',
        ("give me the initials of {name}", "what are the initials of the name {name}"),
    ),
    Sample(
        "front_door", "", "Tell whether the front door is open.", '"the front door is locked"',
        ("is the front door open", "tell me whether the front door is open"),
    ),
    Sample(
        "distance", "start: str, goal: str", "Tell the distance from a city to another city.",
        'f"from {start} to {goal}: 412 km"',
        ("what is the distance from {start} to {goal}",
         "tell me the distance from {start} to {goal}"),
    ),
    Sample(
        "feed_cat", "", "Feed the cat.", '"the cat has been fed"',
        ("feed the cat", "can you feed the cat please"),
    ),
    Sample(
        "flip_coin", "", "Flip a coin.", '"tails"',
        ("flip a coin", "can you flip a coin for me", "coin flip please"),
    ),
    Sample(
        "free_parking", "", "Tell how many parking spaces are free.", '"23 spaces are free"',
        ("how many parking spaces are free", "are there any free parking spaces"),
    ),
    Sample(
        "next_ferry", "harbour: str", "Tell when the next ferry leaves a harbour.",
        'f"the next ferry leaves {harbour} at 09:45"',
        ("when does the next ferry leave {harbour}",
         "tell me when the next ferry leaves the harbour of {harbour}"),
    ),
    Sample(
        "flight_price", "start: str, goal: str",
        "Look up the price of a flight from a city to another city.",
        'f"{start} to {goal}: 189 euros"',
        ("what is the price of a flight from {start} to {goal}",
         "look up the flight price from {start} to {goal}",
         "how much is a flight from {start} to {goal}"),
    ),
    Sample(
        "reverse_text", "text: str", "Reverse the letters of a text.", "text[::-1]",
        ("reverse the text {text}", "can you reverse the letters of {text}"),
    ),
    Sample(
        "scrabble_score", "word: str", "Give the Scrabble score of a word.",
        'f"{sum(8 if c in \'jqxz\' else 3 if c in \'bcfhkmpvwy\' else 1 for c in word)} points"',
        ("what is the Scrabble score of {word}",
         "give me the Scrabble score of the word {word}",
         "how much does the word {word} score in Scrabble"),
    ),
    Sample(
        "log_steps", "amount: int", "Log the steps walked today.", 'f"{amount} steps logged"',
        ("log {amount} steps for today", "I walked {amount} steps today, please log them"),
    ),
    Sample(
        "euros_to_dollars", "amount: int", "Convert an amount of euros to dollars.",
        'f"{amount * 108 / 100:.2f} dollars"',
        ("convert {amount} euros to dollars", "how many dollars are {amount} euros"),
    ),
    Sample(
        "train_delay", "train: int", "Tell the delay of a train.",
        'f"train {train} is 7 minutes late"',
        ("what is the delay of train {train}", "does train {train} have a delay"),
    ),
    Sample(
        "print_file", "path: str", "Print a file on the office printer.",
        'f"{path} was sent to the printer"',
        ("print {path} on the office printer", "send the file {path} to the printer"),
    ),
    Sample(
        "visitor_badge", "name: str", "Make a visitor badge with a name on it.",
        'f"VISITOR {name.upper()}"',
        ("make a visitor badge for {name}", "I need a visitor badge with the name {name}"),
    ),
    Sample(
        "refund", "customer: str, amount: int", "Refund an amount to a customer.",
        'f"refunded {amount} euros to {customer}"',
        ("refund {amount} euros to {customer}",
         "give the customer {customer} a refund of {amount} euros"),
    ),
    Sample(
        "prune_month", "plant: str", "Tell in which month to prune a plant.",
        'f"prune the {plant} in March"',
        ("in which month should I prune the plant {plant}",
         "tell me the month to prune my {plant} plant"),
    ),
)  # fmt: skip


def _arguments(rng: Random, sample: Sample) -> Mapping[str, Any]:
    made: dict[str, Any] = {
        "harbour": rng.choice(pools.PLACES),
        "text": f"{pools.noun(rng)} {pools.noun(rng)}",
        "plant": pools.noun(rng),
        "word": pools.noun(rng),
        "customer": rng.choice(pools.PEOPLE),
        "amount": rng.randint(10, 2000),
        "train": rng.randint(2, 999),
        "path": pools.file_name(rng),
        "name": f"{rng.choice(pools.PEOPLE)} {pools.noun(rng).capitalize()}",
        "start": rng.choice(pools.PLACES[:13]),
        "goal": rng.choice(pools.PLACES[13:]),
    }
    named = [part.partition(":")[0].strip() for part in sample.signature.split(",") if part]
    return {name: made[name] for name in named}


def questions(rng: Random) -> list[Question]:
    """Each request of each sample once."""
    made = []
    for sample in SAMPLES:
        for template in sample.requests:
            arguments = _arguments(rng, sample)
            slots = {name: str(value) for name, value in arguments.items()}
            made.append(
                Question(
                    "unknown_tool",
                    sample.name,
                    one_of(rng, (template,), **slots),
                    (Call(sample.name, arguments),),
                    (RESULT,),
                    plugin=sample.plugin(),
                )
            )
    return made
