"""The examination: requests that the corpus cannot make, each in a small world of its own.

The wordings are another grammar than the corpus's, the names come from other pools, and the tools
beyond the syscalls are others (a test compares). What is right is said by the calls that are
expected, argument by argument, and by what the answer must hold; who examines looks up nothing
else. ``bench/pilot.py`` asks them through the real kernel.
"""
