"""What an answer of Nomad that is no success means: which error, in whose words, and whether it passes by itself.

Everything here is pure. Nomad tells some cases apart by their text only (a lost leader, a compare-and-set conflict,
an unknown job behind status 500), so texts are matched in this module and nowhere else.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from urllib.parse import unquote

from serai.domain.errors import Conflict, NotFound, SchedulerError, SchedulerUnavailable, SeraiError

PERMISSION_DENIED = "permission-denied"
NODE_UNREACHABLE = "node-unreachable"
CHANGED = "changed-meanwhile"
POLICY_HELP = "docs/howto/operate-nomad.md has the whole policy"


@dataclass(frozen=True, slots=True)
class Refusal:
    """`error` to raise. `is_passing`: trying the same again within seconds is reasonable, nothing was done."""

    error: SeraiError
    is_passing: bool = False


# A server without a leader, or cut off from it: over after seconds.
_LEADERLESS = re.compile(
    r"(^|: )EOF$|failed to get conn|no cluster leader|node is not the leader|leadership lost|leadership transfer"
    r"|not ready to serve consistent reads|no known .*servers|connection (refused|reset)|broken pipe|i/o timeout"
    r"|deadline exceeded|session shutdown|keepalive timeout|raft is already|timed out enqueuing",
    re.IGNORECASE,
)
_CONFLICT = re.compile(r"^Enforcing job modify index (\d+): (.+)", re.DOTALL)
_BAD_TOKEN = re.compile(r"failed to parse signed token|ACL token (not found|expired)", re.IGNORECASE)
_MISSING = re.compile(r"^(job|eval|alloc|node|allocation|variable) not found$")
# Status 500 where Nomad means: the request is wrong.
_REFUSED = re.compile(
    r"errors? occurred:|UUID must be|can't |cannot |must |invalid |missing |nonexistent |not enabled|does not exist",
    re.IGNORECASE,
)
_HTTPS_WANTED = "HTTP request to an HTTPS server"

# Method (PURGE: a DELETE that purges), pattern of the path, the right; the first that fits.
_RIGHTS = tuple(
    (method, re.compile(pattern), right)
    for method, pattern, right in (
        ("GET", r"^/v1/jobs$|^/v1/jobs/statuses$|^/v1/allocations$|^/v1/evaluations$", "list-jobs and read-job"),
        ("POST", r"^/v1/jobs/statuses$", "list-jobs and read-job"),
        ("*", r"^/v1/jobs/parse$", "parse-job"),
        ("*", r"^/v1/job/[^/]+/plan$", "plan-job (or submit-job)"),
        ("*", r"^/v1/job/[^/]+/evaluate$", "evaluate-job (or submit-job)"),
        ("PUT", r"^/v1/job/[^/]+/scale$", "scale-job (or submit-job)"),
        ("POST", r"^/v1/job/[^/]+/scale$", "scale-job (or submit-job)"),
        ("PURGE", r"^/v1/job/", "purge-job (or submit-job)"),
        ("DELETE", r"^/v1/job/", "deregister-job (or submit-job)"),
        ("GET", r"^/v1/job/|^/v1/service|^/v1/allocation/|^/v1/evaluation/", "read-job"),
        ("*", r"^/v1/jobs|^/v1/job/|^/v1/validate/", "register-job (or submit-job)"),
        ("*", r"^/v1/client/fs/logs/", "read-logs"),
        ("*", r"^/v1/client/fs/", "read-fs"),
        ("GET", r"^/v1/client/allocation/", "read-job"),
        ("*", r"^/v1/client/allocation/|^/v1/allocation/", "alloc-lifecycle"),
        ("GET", r"^/v1/nodes?|^/v1/client/stats", 'node { policy = "read" }'),
        ("*", r"^/v1/node", 'node { policy = "write" }'),
        ("GET", r"^/v1/vars?", "variables: read"),
        ("PUT", r"^/v1/var/", "variables: write"),
        ("DELETE", r"^/v1/var/", "variables: destroy"),
        ("*", r"^/v1/agent/", 'agent { policy = "read" }'),
    )
)


def derive_refusal(method: str, path: str, status: int, text: str, token_given: bool = True) -> Refusal:
    """Return what `status` and `text` mean as the answer to a request; `path` has its query with it.

    | answer | error |
    |---|---|
    | 403, a refused or malformed token behind 500 | SchedulerError `permission-denied` |
    | 409, `Enforcing job modify index` | Conflict `changed-meanwhile` |
    | 404 `No path to node`, a cut connection to a client | SchedulerUnavailable `node-unreachable` |
    | other 404, `job not found` behind 500 | NotFound |
    | 429 | SchedulerUnavailable, passing |
    | no leader | SchedulerUnavailable, passing |
    | 400, 500 in the words of a validation | SchedulerError |
    | anything else | SchedulerUnavailable |
    """
    plain = _strip_prefix(text)
    said = clean_text(plain)
    if status == 403 or plain == "Permission denied" or _BAD_TOKEN.search(plain) or _hides_denial(method, path, status):
        return Refusal(SchedulerError(_describe_denial(method, path, plain, token_given), PERMISSION_DENIED))
    if conflict := _CONFLICT.search(plain):
        return Refusal(Conflict(f"Nomad has the job otherwise than expected: {clean_text(conflict[2])}", CHANGED))
    if status == 409:
        return Refusal(Conflict(f"{_name(path)} was changed by somebody else meanwhile", CHANGED))
    if status == 429:
        return Refusal(SchedulerUnavailable(_TOO_MANY), is_passing=True)
    if plain == "No path to node" or (path.startswith("/v1/client/") and status >= 500 and _LEADERLESS.search(plain)):
        return Refusal(SchedulerUnavailable(f"the node cannot be reached ({said})", NODE_UNREACHABLE))
    if status == 404 or _MISSING.search(plain):
        return Refusal(NotFound(f"Nomad does not know {_name(path)}: {said}"))
    if status >= 500 and _LEADERLESS.search(plain):
        return Refusal(SchedulerUnavailable(f"Nomad has no leader at the moment ({said})"), is_passing=True)
    if status == 400 and _HTTPS_WANTED in plain:
        return Refusal(
            SchedulerUnavailable("this agent of Nomad speaks https; write https:// in plugin.nomad.addresses")
        )
    if status == 400 or (status == 500 and _REFUSED.search(plain)):
        return Refusal(SchedulerError(f"Nomad refused {_name(path)}: {said}"))
    return Refusal(SchedulerUnavailable(f"Nomad answered {method} {_bare(path)} with {status}: {said or 'nothing'}"))


_TOO_MANY = (
    "Nomad takes no more connections from here (429); lower plugin.nomad.connections, "
    "or raise limits { http_max_conns_per_client } of the agent"
)


def clean_text(text: str) -> str:
    """Return Nomad's nested lists of errors or warnings as one sentence.

    `1 error occurred:\\n\\t* Task group model validation failed: 2 errors occurred:\\n\\t* a\\n\\t* b` becomes
    `Task group model validation failed: a; b`.
    """
    flat = re.sub(r"\d+ (errors? occurred|warnings?):", "", text)
    parts = [" ".join(part.split()) for part in re.split(r"\n\s*\* ", flat)]
    sentence = ""
    for part in filter(None, parts):
        joint = "" if not sentence else " " if sentence.endswith(":") else "; "
        sentence += joint + part
    return sentence


def needed_right(method: str, path: str) -> str:
    """Return the right that a request needs, as Nomad's policies call it; "" if none is known."""
    bare, _, query = path.partition("?")
    verb = "PURGE" if method == "DELETE" and "purge=true" in query.lower() else method
    for wanted, pattern, right in _RIGHTS:
        if wanted in {"*", verb} and pattern.search(bare):
            return right
    return ""


def _strip_prefix(text: str) -> str:
    """Return the text without `rpc error: `, which an agent puts before what another one said."""
    return re.sub(r"^(rpc error: )+", "", text.strip())


def _hides_denial(method: str, path: str, status: int) -> bool:
    """Tell whether this is how Nomad denies an allocation: status 500 `Unknown allocation`, unknown ones give 404."""
    return method == "GET" and status == 500 and path.startswith("/v1/allocation/")


def _describe_denial(method: str, path: str, said: str, token_given: bool) -> str:
    if _BAD_TOKEN.search(said):
        return "Nomad does not know the ACL token; set plugin.nomad.token or plugin.nomad.token_file to a valid one"
    if not token_given:
        return (
            f"Nomad asks for an ACL token ({method} {_bare(path)}: permission denied); "
            f"set plugin.nomad.token or plugin.nomad.token_file; {POLICY_HELP}"
        )
    right = needed_right(method, path)
    what = f"lacks the right {right}" if right else "does not suffice"
    lacks = f"the ACL token {what}, or was revoked"  # of which Nomad 2.0 says the same
    return f"Nomad denied {method} {_bare(path)}: {lacks}; {POLICY_HELP}"


def _bare(path: str) -> str:
    return path.partition("?")[0]


def _name(path: str) -> str:
    """Return what a path is about, for people: `job whisper-v7`, `variable nomad/jobs/x`."""
    parts = unquote(_bare(path)).removeprefix("/v1/").removeprefix("client/").removeprefix("fs/").split("/")
    if parts[0] == "var":
        return f"the variable {'/'.join(parts[1:])}"
    if len(parts) > 1 and parts[0] in {"job", "allocation", "node", "evaluation"}:
        return f"the {parts[0]} {parts[1]}"
    if parts[0] in {"logs", "ls", "readat", "cat", "stream"}:
        return f"the files of the allocation {parts[-1]}"
    return "the job" if parts[0] in {"jobs", "validate"} else _bare(path)
