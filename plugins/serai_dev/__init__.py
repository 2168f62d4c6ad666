"""The command `serai dev`: a development cluster of real Nomad agents on loopback, with simulated GPUs."""
