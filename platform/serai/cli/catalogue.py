"""The commands there are, as section -> name -> `module:attribute`; none is imported before it is used."""

from __future__ import annotations

SECTIONS: dict[str, dict[str, str]] = {
    "Run Serai": {
        "up": "up:up",
        "server": "processes:server",
        "gateway": "processes:gateway",
        "doctor": "doctor:doctor",
    },
    "Deploy": {
        "deploy": "deploy:deploy",
        "start": "running:start",
        "stop": "running:stop",
        "scale": "settings:scale",
        "access": "settings:access",
        "delete": "deleting:delete",
    },
    "Look": {
        "ls": "listing:ls",
        "status": "listing:status",
        "versions": "listing:versions",
        "logs": "logs:logs",
        "metrics": "metrics:metrics",
        "events": "installation:events",
        "capacity": "capacity:capacity",
        "plugins": "installation:plugins",
    },
    "Try": {"call": "call:call"},
    "Sign in": {
        "login": "login:login",
        "logout": "login:logout",
        "whoami": "login:whoami",
    },
    "This command": {
        "completion": "completion:completion",
        "help": "help:help_command",
    },
}
COMMANDS: dict[str, str] = {name: place for section in SECTIONS.values() for name, place in section.items()}
