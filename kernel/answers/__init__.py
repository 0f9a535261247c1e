"""What is asked of the kernel, answered: a file for each topic of `messages/`."""
