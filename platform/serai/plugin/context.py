"""What a plugin gets to know about its surroundings when it registers an object."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    import peewee


class PluginDatabase(Protocol):
    """The server's database, for tables of a plugin's own: SQLite or PostgreSQL, as the operator chose.

    It is handed out open, not as an address: a plugin's rows and the timeline change in one transaction, writers take
    turns by one rule, and its password stays with the server. Name tables `<plugin>_...`, and execute every query as
    `query.execute(database.peewee)` inside of `read()` or `write()`.
    """

    @property
    def peewee(self) -> peewee.Database: ...

    def read(self) -> AbstractContextManager[None]:
        """Show one consistent state to all queries inside; inside of `write()` it is that transaction."""

    def write(self) -> AbstractContextManager[None]:
        """Run one transaction, alone; nested, it is a part of the outer one."""


@dataclass(frozen=True, slots=True)
class PluginContext:
    """Where and how a plugin works.

    `data_dir` is the plugin's own folder (it may not exist yet). `settings` is its table of serai.toml
    (`[plugin.<name>]`). `bundle_path` returns the file of a bundle `sha256:<hex>` and raises NotFound.
    `server_url` is where this server answers and `gateway_url` where deployments do, without a slash at the end; the
    latter is "" where it is not known. `database` is the server's, None where there is no server.
    """

    data_dir: Path
    settings: Mapping[str, object]
    bundle_path: Callable[[str], Path]
    server_url: str
    gateway_url: str = ""
    database: PluginDatabase | None = None
