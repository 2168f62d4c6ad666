"""The embedded scheduler: replicas as processes of this machine."""
