"""The built-in syscalls, one noun a file, each written as an outside author would write it.

They are found through the entry points of `pyproject.toml`. Those that are `async def` need the
kernel and run inside it; a `def` runs in a worker process like anyone's.
"""
