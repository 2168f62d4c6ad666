"""Everything a plugin author imports, beside the values of `serai.domain`."""

from .changes import DeploymentChange
from .context import PluginContext, PluginDatabase
from .exposition import Exposition, VersionFacts
from .hookspecs import hookimpl
from .identity import Credentials, Identity, Permission
from .key_store import KeyStore
from .log_store import KeptLog, LogKey, LogReading, LogStore
from .scheduler import Scheduler
from .sign_in import Departure, Person, SignIn
from .sink import Busy, Rejected, Sink

__all__ = [
    "Busy",
    "Credentials",
    "Departure",
    "DeploymentChange",
    "Exposition",
    "Identity",
    "KeptLog",
    "KeyStore",
    "LogKey",
    "LogReading",
    "LogStore",
    "Permission",
    "Person",
    "PluginContext",
    "PluginDatabase",
    "Rejected",
    "Scheduler",
    "SignIn",
    "Sink",
    "VersionFacts",
    "hookimpl",
]
