"""The embedded scheduler: replicas as processes of this machine, each kept by a small supervisor (`shim`)."""
