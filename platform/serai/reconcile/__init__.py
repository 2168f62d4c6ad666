"""Make schedulers match intent: observe, derive, decide, act, publish. Writes outcomes; never writes the count."""
