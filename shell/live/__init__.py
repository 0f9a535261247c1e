"""A turn on a terminal: the answer as Markdown, block by block, and its calls while they run."""
