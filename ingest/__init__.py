"""What `llmos ingest` reads with: files become documents of small passages.

It runs in the client and in a worker of the client, never in the kernel: whatever a file does to
its reader, the kernel has no part in it.
"""
