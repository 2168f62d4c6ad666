"""Files that Nomad writes for a task before it starts: its `template` blocks."""

from __future__ import annotations

from serai_nomad.facts import Json

SCRIPTS = "local/serai"  # as the job names it
SCRIPTS_SEEN = "${NOMAD_TASK_DIR}/serai"  # as the task sees it, in a container or not


def make_script(name: str, text: str) -> Json:
    """Return the file of a script of ours, which holds no `{{`."""
    return {"DestPath": f"{SCRIPTS}/{name}", "EmbeddedTmpl": text, "Perms": "0755", "ChangeMode": "noop"}


def make_env_file(name: str, text: str, is_literal: bool = False) -> Json:
    """Return a file of variables. A literal text is taken as it is, `{{` and all."""
    file = {
        "DestPath": f"secrets/serai/{name}",
        "EmbeddedTmpl": text,
        "Perms": "0600",
        "Envvars": True,
        "ChangeMode": "noop",  # else a new version's variable would restart the replicas of this one
    }
    return file | (_choose_delimiters(text) if is_literal else {})


def _choose_delimiters(text: str) -> dict[str, str]:
    number = 0
    while f"<{number}<" in text or f">{number}>" in text:
        number += 1
    return {"LeftDelim": f"<{number}<", "RightDelim": f">{number}>"}
