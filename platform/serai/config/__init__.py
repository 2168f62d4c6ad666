"""The configuration of server and gateway: `serai.toml`, overridden by `SERAI_*`, overridden by options."""

from .addresses import make_url
from .configuration import Configuration, load_configuration

__all__ = ["Configuration", "load_configuration", "make_url"]
