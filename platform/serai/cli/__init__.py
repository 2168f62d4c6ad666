"""The command `serai`: what people and scripts type. Only this package knows click and rich."""
