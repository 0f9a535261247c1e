"""Writer and critic: a draft goes back with an objection until it is accepted, but not for ever.

    llmos run examples/writer_and_critic.py

The writer is one process and remembers the conversation; a critic is a new one each time and sees
the draft alone. The pilot often gets a sum wrong that is told in words, so there is something to
find: its critic adds again what was taken away, and is content when all are back.
"""

import asyncio

import llmos

CAME, LEFT = 135, 72
TASK = f"{CAME} people came and {LEFT} left. how many stayed?"


async def main() -> None:
    async with llmos.connect() as k:
        writer = await k.spawn(name="writer")
        draft = await writer.ask(TASK)
        for _ in range(3):
            figure = draft.split()[-1]
            proof = await k.run(f"what is {figure} + {LEFT}", name="critic")
            if proof.endswith(f" = {CAME}"):
                print(f"accepted: {draft}")
                return
            print(f"rejected: {draft} (for {proof}, and not {CAME})")
            draft = await writer.ask(f"what is {CAME} - {LEFT}")
        raise SystemExit("no draft was accepted")


asyncio.run(main())
