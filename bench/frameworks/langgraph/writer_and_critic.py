"""A draft goes back with an objection until it is accepted, at most three times."""

import asyncio
from typing import Literal, TypedDict

from langchain.agents import create_agent
from langchain_core.messages import AnyMessage
from langchain_openai import ChatOpenAI
from langgraph.graph import START, StateGraph
from langgraph.types import Command
from tools import PROMPT, TOOLS

agent = create_agent(ChatOpenAI(model="pilot"), TOOLS, system_prompt=PROMPT)

CAME, LEFT = 135, 72
TASK = f"{CAME} people came and {LEFT} left. how many stayed?"


class State(TypedDict):
    messages: list[AnyMessage | tuple[str, str]]
    rounds: int


async def write(state: State) -> State:
    done = await agent.ainvoke({"messages": state["messages"]})
    return {"messages": done["messages"], "rounds": state["rounds"] + 1}


async def criticise(state: State) -> Command[Literal["write", "__end__"]]:
    draft = state["messages"][-1].content
    figure = draft.split()[-1]
    done = await agent.ainvoke({"messages": [("user", f"what is {figure} + {LEFT}")]})
    proof = done["messages"][-1].content
    if proof.endswith(f" = {CAME}"):
        print(f"accepted: {draft}")
        return Command(goto="__end__")
    if state["rounds"] > 3:
        raise SystemExit("no draft was accepted")
    print(f"rejected: {draft} (for {proof}, and not {CAME})")
    objection = ("user", f"what is {CAME} - {LEFT}")
    return Command(goto="write", update={"messages": [*state["messages"], objection]})


async def main() -> None:
    graph = StateGraph(State)
    graph.add_node("write", write)
    graph.add_node("criticise", criticise)
    graph.add_edge(START, "write")
    graph.add_edge("write", "criticise")
    await graph.compile().ainvoke({"messages": [("user", TASK)], "rounds": 0})


asyncio.run(main())
