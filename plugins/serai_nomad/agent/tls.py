"""Connections to Nomad: how many are kept, which certificates are checked, and against which name."""

from __future__ import annotations

import logging
import warnings
from typing import Any

import requests
import urllib3
from requests.adapters import HTTPAdapter

from serai_nomad.settings import NomadSettings, Tls

log = logging.getLogger(__name__)


class _NamedAdapter(HTTPAdapter):
    """Checks the certificate against a name of ours in place of the address: Nomad's are `server.<region>.nomad`."""

    def __init__(self, server_name: str, **options: Any) -> None:
        self._server_name = server_name
        super().__init__(**options)

    def init_poolmanager(self, *args: Any, **kwargs: Any) -> None:
        super().init_poolmanager(*args, **kwargs, server_hostname=self._server_name)


def mount_adapters(session: requests.Session, settings: NomadSettings) -> None:
    """Give `session` as many kept connections as the settings allow, checked as they say."""
    options: dict[str, Any] = {
        "pool_connections": len(settings.addresses),
        "pool_maxsize": settings.connections,
        "max_retries": 0,
    }
    name = settings.tls.server_name
    session.mount("http://", HTTPAdapter(**options))
    session.mount("https://", _NamedAdapter(name, **options) if name else HTTPAdapter(**options))
    if not settings.tls.verify:
        log.warning("plugin.nomad.tls.verify is off: whoever stands between could read the token")
        warnings.filterwarnings("ignore", category=urllib3.exceptions.InsecureRequestWarning)


def close_adapters(session: requests.Session) -> None:
    """Close the kept connections now; urllib3 by itself waits until nothing, and no traceback, refers to them."""
    for adapter in session.adapters.values():
        manager = getattr(adapter, "poolmanager", None)
        pools = [] if manager is None else [manager.pools.get(key) for key in manager.pools.keys()]  # noqa: SIM118
        for pool in filter(None, pools):
            pool.close()
        adapter.close()


def read_verify(tls: Tls) -> bool | str:
    """Return what requests calls `verify`."""
    return (tls.ca_cert or True) if tls.verify else False


def read_cert(tls: Tls) -> str | tuple[str, str] | None:
    """Return what requests calls `cert`."""
    return (tls.client_cert, tls.client_key) if tls.client_cert and tls.client_key else tls.client_cert or None
