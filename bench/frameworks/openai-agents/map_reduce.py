"""Map-reduce, at most four agents at once."""

import asyncio

from agents import Agent, Runner, function_tool, set_default_openai_api
from tools import BILLS, PROMPT, TOOLS

set_default_openai_api("chat_completions")
tools = [function_tool(tool) for tool in TOOLS]
agent = Agent("agent", model="pilot", instructions=PROMPT, tools=tools)


async def main() -> None:
    slots = asyncio.Semaphore(4)

    async def read(bill: str) -> str:
        async with slots:
            return (await Runner.run(agent, f"read {bill}")).final_output

    texts = await asyncio.gather(*(read(bill) for bill in BILLS))
    amounts = [text.split()[-1] for text in texts]
    total = await Runner.run(agent, f"what is {' + '.join(amounts)}")
    print(total.final_output)


asyncio.run(main())
