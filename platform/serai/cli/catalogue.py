"""The commands there are, as section -> name -> `module:attribute`; none is imported before it is used.

A command at `plugin:<name>` is that of a plugin that comes along: it exists whether the plugin is enabled or not.
"""

from __future__ import annotations

# What these commands say of themselves, so that `serai --help` need not load plugins; a test compares.
BUNDLED = {"dev": "Run a development cluster: real Nomad agents, simulated GPUs."}

SECTIONS: dict[str, dict[str, str]] = {
    "Run Serai": {
        "up": "up:up",
        "server": "processes:server",
        "gateway": "processes:gateway",
        "dev": "plugin:dev",
        "doctor": "doctor:doctor",
    },
    "Deploy": {
        "deploy": "deploy:deploy",
        "start": "running:start",
        "stop": "running:stop",
        "scale": "settings:scale",
        "idle": "resting:idle",
        "wake": "resting:wake",
        "access": "settings:access",
        "limits": "limits:limits",
        "keys": "keys:keys",
        "delete": "deleting:delete",
    },
    "Look": {
        "ls": "listing:ls",
        "status": "listing:status",
        "versions": "listing:versions",
        "logs": "logs:logs",
        "metrics": "metrics:metrics",
        "trace": "trace:trace",
        "events": "installation:events",
        "capacity": "capacity:capacity",
        "plugins": "installation:plugins",
    },
    "Try": {"call": "call:call"},
    "Accounts": {
        "users": "users:users",
        "teams": "teams:teams",
        "owner": "owner:owner",
        "tokens": "tokens:tokens",
    },
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
