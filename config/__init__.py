"""The user's settings: what can be set, what the files say, and the files themselves.

What can be set of the kernel is declared once, in `kernel/command_line.py`, and read from there;
what can be set of the interactive shell is declared in `shell_settings.py`, which is light enough
for the shell to read when it starts. All else is imported by the verbs that need it.
"""
