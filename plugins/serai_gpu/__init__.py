"""A Nomad device plugin: simulated GPUs for development, real ones by NVML, whole or shared."""
