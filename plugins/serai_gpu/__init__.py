"""A Nomad device plugin: simulated GPUs for development, real ones by NVML, whole or shared."""

# The label of `plugin "serai-gpu" { ... }` in an agent's configuration, which has to be the executable's file name.
NAME = "serai-gpu"
