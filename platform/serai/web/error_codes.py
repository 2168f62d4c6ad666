"""Every code of an error, and when it is said. docs/reference/errors.md is generated from this table.

A test compares the table with the codes that stand in the source.
"""

from __future__ import annotations

ERROR_CODES: dict[str, str] = {
    # of the classes of serai.domain.errors
    "error": "Something went wrong that has no code of its own.",
    "invalid": "A value is wrong; `field` says which.",
    "not-found": "There is no such thing.",
    "conflict": "The thing's state does not allow it.",
    "unauthenticated": "There is no valid token or session.",
    "forbidden": "The caller lacks the permission.",
    "not-supported": "This scheduler or installation cannot do it.",
    "capacity-exceeded": "Full for now; `Retry-After` says when to come back.",
    "wake-timeout": "No replica came in time.",
    "scheduler-error": "The scheduler refused or failed.",
    "scheduler-unavailable": "The scheduler cannot be reached.",
    "server-unavailable": "Said by clients: the server cannot be reached.",
    "timeout": "Said by clients: the model's answer took longer than the caller wants to wait.",
    "plugin-error": "A plugin cannot be loaded, or broke its contract.",
    # of requests
    "internal": "The server met a fault of its own; its log has it under `fault`.",
    "malformed": "The request or its body cannot be read.",
    "not-json": "The body is not said to be JSON.",
    "too-large": "The body is larger than this path takes.",
    "refused": "The web server refused the request.",
    "no-such-path": "Nothing answers at this path.",
    "no-such-page": "The web UI has no page at this address.",
    "method-not-allowed": "The path does not know the method; `Allow` names those it knows.",
    "csrf": "A call with the session's cookie came without the session's CSRF token.",
    "login-code": "A one-time sign-in address was used already, or has expired.",
    "unknown-key": "A key or parameter is not known; the sentence names the nearest that is.",
    "invalid-name": "The text cannot name a deployment.",
    "too-many-streams": "As many streams are open as may be.",
    "too-many-downloads": "As many bundles are being downloaded as may be.",
    "changed": "What is here is not what `If-Match` names.",
    "no-such-range": "The range lies outside of what is here.",
    "cursor-unknown": "There is no such place in the logs.",
    # of deployments, versions, tokens
    "deployment-not-found": "There is no deployment of this name.",
    "deployment-exists": "There is a deployment of this name already.",
    "version-not-found": "The deployment has no version of this number.",
    "version-active": "The version is active; stop it first.",
    "token-not-found": "There is no token of this number.",
    "name-taken": "The form is for a new deployment, and there is one of this name.",
    "not-confirmed": "What was typed to confirm a deletion is not the name.",
    "not-yaml": "The manifest is not YAML.",
    "secret-missing": "The manifest asks for a secret that was not given.",
    "gateway-unavailable": "The gateway cannot be reached.",
    # of bundles and disks
    "bundle-missing": "The bundle was not uploaded.",
    "bundle-corrupt": "What arrived is not what its SHA-256 says.",
    "bundle-broken": "The bundle is no archive that can be unpacked safely.",
    "bundle-too-large": "The bundle is larger than the limit.",
    "bundle-offset": "The part of the upload does not begin where the last one ended.",
    "disk-full": "A disk is full.",
    "unpack-failed": "The bundle cannot be written to the disk.",
    # of the database
    "database-busy": "The database was locked by somebody else for too long.",
    "database-unreachable": "The database cannot be reached or opened.",
    "database-read-only": "The database cannot be written.",
    "database-broken": "The database is damaged.",
    "database-io": "The database's disk reports errors.",
    "database-error": "The database refused an operation.",
    "database-driver": "The database's driver is not installed.",
    "database-newer": "The database was written by a newer Serai.",
    "database-url": "The database's address cannot be understood.",
    # of starting
    "locked": "Another server uses the database.",
    "already-up": "Serai runs already with this data folder.",
    "not-up": "Serai did not come up in time.",
    "port-in-use": "The port is in use.",
    "folder-taken": "Another gateway uses the folder.",
    "unknown-plugin": "There is no plugin of this name.",
}
