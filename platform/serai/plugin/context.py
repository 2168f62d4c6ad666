"""What a plugin gets to know about its surroundings when it registers an object."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True, slots=True)
class PluginContext:
    """Where and how a plugin works.

    `data_dir` is the plugin's own folder (it may not exist yet). `settings` is its table of serai.toml
    (`[plugin.<name>]`). `bundle_path` returns the file of a bundle `sha256:<hex>` and raises NotFound.
    `server_url` is where this server answers and `gateway_url` where deployments do, without a slash at the end; the
    latter is "" where it is not known.
    """

    data_dir: Path
    settings: Mapping[str, object]
    bundle_path: Callable[[str], Path]
    server_url: str
    gateway_url: str = ""
