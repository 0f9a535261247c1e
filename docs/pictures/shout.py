from llmos import syscall


@syscall
def shout(text: str) -> str:
    """Say a text in capital letters."""
    return text.upper()
