"""The supervisor of one replica, a process of its own so that replicas outlive the server.

It runs under `python -I -S` from the standard library alone, in one thread, and is kept small on purpose: no
dataclasses, no asyncio, no subprocess (2, 9 and 2 MB resident) in a process there may be hundreds of. `main` is the
entry, `lifecycle` the story, the rest its means.
"""
