"""What a gateway process is told at its start."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from serai.domain.traffic import Rate

from .certificate import CertificateFiles
from .rates import WRONG_KEYS
from .trust import TrustRule


@dataclass(frozen=True, slots=True)
class GatewayConfig:
    """`server` is the address of the control plane, or a file with it; `data` the folder that is this gateway's alone.

    Both a server's file and `token_file` are read anew for every call: under a running gateway the server can move
    and the token be replaced. `port` 0 takes a free one. `domain` "" routes by path only. `hold_limit` is per
    deployment; `spool_limit_bytes` bounds the figures kept while the server is away. `engine` is the name of
    one, or `auto`. With `tls`, callers come in by TLS at `tls_host` and `tls_port`, too. `keys` is how
    long keys are gone by without the server, `wrong_keys` how many wrong ones a client may send (None: any number).
    `trace_share` of the traces that begin here are sampled (None: no span is kept, and all are passed on as sampled).
    """

    server: str | Path
    token_file: Path
    data: Path
    host: str = "127.0.0.1"
    port: int = 8000
    domain: str = ""
    drain_s: float = 30.0
    window_s: float = 10.0
    hold_limit: int = 1000
    spool_limit_bytes: int = 512 * 2**20
    engine: str = "asyncio"
    tls: CertificateFiles | None = None
    tls_host: str = "127.0.0.1"
    tls_port: int = 8443
    keys: TrustRule = TrustRule()
    wrong_keys: Rate | None = WRONG_KEYS
    trace_share: float | None = None
