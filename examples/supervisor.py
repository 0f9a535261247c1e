"""A supervisor: jobs that are started anew when they fail, and end together whatever happens.

    llmos run examples/supervisor.py

Here somebody kills one of them in the middle of its work. Its supervisor, a process of the kernel,
starts it again, up to three times in a minute, and the others never notice. A job that runs for
more than a minute counts as failed, too.
"""

import asyncio

import llmos

JOBS = ["what is 12 * 48", "what is 3 * 95", "what is 576 + 285"]


async def main() -> None:
    async with llmos.connect() as k:
        async with k.group(restart="on-failure", max_restarts=3, timeout=60) as g:
            workers = [g.spawn(job) for job in JOBS]
            victim = workers[1]
            killed = await victim.born()
            await victim.kill()
        print(f"pid {killed} was killed, and pid {victim.pid} did its job")
        print("\n".join(g.results))


asyncio.run(main())
