"""Jobs that are started anew when they fail or take too long, and end together."""

import asyncio

from agents import Agent, Runner, function_tool, set_default_openai_api
from tools import PROMPT, TOOLS

set_default_openai_api("chat_completions")
tools = [function_tool(tool) for tool in TOOLS]
agent = Agent("agent", model="pilot", instructions=PROMPT, tools=tools)

JOBS = ["what is 12 * 48", "what is 3 * 95", "what is 576 + 285"]


async def supervised(job: str) -> str:
    for attempt in range(4):
        try:
            async with asyncio.timeout(60):
                return (await Runner.run(agent, job)).final_output
        except Exception:
            if attempt == 3:
                raise


async def main() -> None:
    async with asyncio.TaskGroup() as group:
        workers = [group.create_task(supervised(job)) for job in JOBS]
    print("\n".join(worker.result() for worker in workers))


asyncio.run(main())
