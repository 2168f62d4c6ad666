#!/bin/sh
# Serai gives $PORT, and the Python that has requirements.txt installed comes first on $PATH.
exec python3 server.py
