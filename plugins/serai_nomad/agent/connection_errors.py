"""What it means that no answer came: refused, late, cut off, or a certificate that does not fit."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass

import requests
import urllib3

from serai.domain.errors import SchedulerUnavailable
from serai_nomad.settings import Tls


class NoAnswer(SchedulerUnavailable):
    """Nomad took the request and did not answer in time."""


@dataclass(frozen=True, slots=True)
class Failure:
    """Why one agent gave no answer.

    `was_sent`: it may have got the request and done it. `is_late`: it took too long. `was_dropped`: the connection
    was cut, as an idle one may be at any time.
    """

    text: str
    was_sent: bool = True
    is_late: bool = False
    was_dropped: bool = False


def derive_failure(address: str, error: Exception, tls: Tls) -> Failure:
    """Return what an exception of requests or urllib3 says about the agent at `address`."""
    reason = _root(error)
    if type(error) is OSError:  # requests looks for the files of certificates before it connects
        return Failure(f"{address} was not asked, as a file of plugin.nomad.tls is wrong: {error}", was_sent=False)
    if "EOF occurred" in str(reason) or "EOF occurred" in str(error):  # TLS for: cut off
        return _make_cut(address, "TLS", tls)
    if isinstance(error, requests.exceptions.SSLError) or isinstance(reason, urllib3.exceptions.SSLError):
        return Failure(f"{address}: {_describe_tls(str(reason), tls)}", was_sent=False)
    # Before time-outs: this one is a ConnectTimeoutError, too. Names that cannot be resolved are among them.
    if isinstance(reason, urllib3.exceptions.NewConnectionError):
        return Failure(f"{address}: {_describe_refusal(str(reason))}", was_sent=False)
    if isinstance(error, requests.ConnectTimeout) or isinstance(reason, urllib3.exceptions.ConnectTimeoutError):
        return Failure(f"{address} takes no connections (timed out)", was_sent=False)
    if isinstance(error, requests.Timeout | urllib3.exceptions.TimeoutError | TimeoutError):
        return Failure(f"{address} did not answer in time", is_late=True)
    if isinstance(error, requests.exceptions.InvalidURL | requests.exceptions.InvalidSchema):
        return Failure(f"{address} is no address of an agent", was_sent=False)
    return _make_cut(address, type(reason).__name__, tls)


def make_error(failures: Sequence[Failure]) -> SchedulerUnavailable:
    """Return the error that tells of all failures; NoAnswer if the last was late."""
    told = "; ".join(dict.fromkeys(failure.text for failure in failures))
    kind = NoAnswer if failures and failures[-1].is_late else SchedulerUnavailable
    return kind(f"Nomad cannot be reached: {told}")


def _root(error: Exception) -> BaseException:
    """Return what urllib3 gave as the reason, where there is one."""
    inner = error.args[0] if error.args and isinstance(error.args[0], BaseException) else error
    return getattr(inner, "reason", None) or inner


def _make_cut(address: str, how: str, tls: Tls) -> Failure:
    """An agent that wants a client certificate often just hangs up on who shows none."""
    is_bare = address.startswith("https:") and not tls.client_cert
    hint = "; if it wants a client certificate, set plugin.nomad.tls.client_cert and client_key" if is_bare else ""
    return Failure(f"{address} cut the connection ({how}{hint})", was_dropped=True)


def _describe_refusal(text: str) -> str:
    if "refused" in text:
        return "connection refused"
    if "resolve" in text or "Name or service" in text or "name resolution" in text:
        return "the name cannot be resolved"
    return re.sub(r"^.*?: Failed to establish a new connection: (\[Errno -?\d+\] )?", "", text)


def _describe_tls(text: str, tls: Tls) -> str:
    if "doesn't match" in text or "mismatch" in text:
        names = (
            f"it was checked against {tls.server_name!r}"
            if tls.server_name
            else "agents are often server.<region>.nomad"
        )
        return f"its certificate is for another name; set plugin.nomad.tls.server_name ({names})"
    if "WRONG_VERSION_NUMBER" in text or "record layer" in text:
        return "it does not speak https; write http:// in plugin.nomad.addresses"
    if "CERTIFICATE_REQUIRED" in text.upper().replace(" ", "_") or "BAD_CERTIFICATE" in text.upper().replace(" ", "_"):
        return "it wants a client certificate; set plugin.nomad.tls.client_cert and client_key"
    if "certificate verify failed" in text or "CERTIFICATE_VERIFY_FAILED" in text:
        return "its certificate is not trusted; set plugin.nomad.tls.ca_cert to the authority that signed it"
    return f"TLS failed ({text})"
