"""Write the configuration that `test_haproxy_decisions` compares with, after it was changed on purpose."""

from __future__ import annotations

from pathlib import Path

from serai.gateway.haproxy.render import Plan, render
from serai.gateway.haproxy.state import Server

if __name__ == "__main__":
    text = render(Plan("127.0.0.1", 8000, "models.test", 2, 4), {"p1/1.r1": Server("127.0.0.1:81")})
    (Path(__file__).parent / "haproxy_golden.cfg").write_text(text, encoding="utf-8")
