"""Jobs that are started anew when they fail or take too long."""

import asyncio

from crewai import LLM, Agent, Crew, Task
from crewai.tools import tool
from tools import PROMPT, TOOLS

JOBS = ["what is 12 * 48", "what is 3 * 95", "what is 576 + 285"]
model = LLM(model="pilot", provider="openai")
agent = Agent(
    role="agent",
    goal="Do what is asked.",
    backstory=PROMPT,
    llm=model,
    tools=[tool(one) for one in TOOLS],
    max_retry_limit=3,
    max_execution_time=60,
)
task = Task(description="{job}", expected_output="The figure.", agent=agent)


async def main() -> None:
    crew = Crew(agents=[agent], tasks=[task])
    done = await crew.kickoff_for_each_async([{"job": job} for job in JOBS])
    print("\n".join(one.raw for one in done))


asyncio.run(main())
