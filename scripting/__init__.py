"""Scripts in Python: agents as processes of the kernel, driven by a client."""
