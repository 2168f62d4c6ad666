"""The server's HTTP side: REST API and web UI on Flask. The only package that knows Flask."""
