"""A debate: one process prepares, its forks plead for a side each, and a judge hears two by two.

    llmos run examples/debate.py

A fork knows all that its parent knows, and the engine computes none of it anew: the cached tokens
say how much. A real model would plead and judge in words; the sides of the pilot say what their
offer costs, and its judge subtracts: the cheaper one stays in.
"""

import asyncio
from pathlib import Path

import llmos


async def main() -> None:
    async with llmos.connect(root=Path(__file__).parent) as k:
        reader = await k.spawn(name="reader")
        _, *offers = (await reader.ask("read offers.txt")).splitlines()
        names, terms = zip(*(offer.split(": ") for offer in offers), strict=True)

        sides = await reader.fork(len(offers))
        asked = [side.ask(f"what is {it}") for side, it in zip(sides, terms, strict=True)]
        costs = [int(plea.split()[-1]) for plea in await asyncio.gather(*asked)]
        for side, name, cost in zip(sides, names, costs, strict=True):
            used = (await side.info()).usage
            print(f"{name}: {cost} ({used.tokens_cached} of {used.tokens_in} tokens cached)")

        best = 0
        for other in range(1, len(offers)):
            ruling = await k.run(f"what is {costs[best]} - {costs[other]}", name="judge")
            if int(ruling.split()[-1]) > 0:
                best = other
        print(f"the judge is for {names[best]}")


asyncio.run(main())
