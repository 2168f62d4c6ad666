"""The plugin `local`."""

from __future__ import annotations

from serai.plugin import PluginContext, Scheduler, hookimpl

from .scheduler import LocalScheduler
from .settings import load_settings


@hookimpl
def serai_register_scheduler(context: PluginContext) -> Scheduler:
    return LocalScheduler(context.data_dir, context.bundle_path, load_settings(context.settings))
