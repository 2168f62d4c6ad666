"""Everything a plugin author imports, beside the values of `serai.domain`."""

from .changes import DeploymentChange
from .context import PluginContext
from .hookspecs import hookimpl
from .identity import Credentials, Identity, Permission
from .scheduler import Scheduler
from .sink import Sink

__all__ = [
    "Credentials",
    "DeploymentChange",
    "Identity",
    "Permission",
    "PluginContext",
    "Scheduler",
    "Sink",
    "hookimpl",
]
