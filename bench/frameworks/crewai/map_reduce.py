"""Map-reduce, at most four agents at once."""

import asyncio

from crewai import LLM, Agent
from crewai.tools import tool
from tools import BILLS, PROMPT, TOOLS

model = LLM(model="pilot", provider="openai")


def agent() -> Agent:
    return Agent(
        role="agent",
        goal="Do what is asked.",
        backstory=PROMPT,
        llm=model,
        tools=[tool(one) for one in TOOLS],
    )


async def main() -> None:
    slots = asyncio.Semaphore(4)

    async def read(bill: str) -> str:
        async with slots:
            return (await agent().kickoff_async(f"read {bill}")).raw

    texts = await asyncio.gather(*(read(bill) for bill in BILLS))
    amounts = [text.split()[-1] for text in texts]
    print((await agent().kickoff_async(f"what is {' + '.join(amounts)}")).raw)


asyncio.run(main())
