"""Makes Nomad jobs of workloads, and writes them."""
