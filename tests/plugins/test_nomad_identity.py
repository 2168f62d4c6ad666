"""Nomad's tokens for tasks: only what the cluster signed, for us, for a task of ours, and now."""

from __future__ import annotations

import base64
import json
import math
import threading
from collections.abc import Callable, Mapping
from datetime import timedelta
from typing import Any

import jwt
import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa

from serai.domain.errors import SchedulerUnavailable, SeraiError, Unauthenticated
from serai.plugin import Identity, Permission
from serai.plugin.testing.fakes import FakeClock
from serai_nomad.identity import WorkloadIdentities

ALLOCATION = "5f2b8c1e-4d0a-9c3b-7f16-2a1d5e8b9c70"


class Signer:
    """A key of a cluster: signs tokens, and shows its public half as Nomad does."""

    def __init__(self, kid: str, algorithm: str = "RS256") -> None:
        self.kid, self.algorithm = kid, algorithm
        self.key: Any = {
            "RS256": lambda: rsa.generate_private_key(65537, 2048),
            "EdDSA": ed25519.Ed25519PrivateKey.generate,
            "ES256": lambda: ec.generate_private_key(ec.SECP256R1()),
        }[algorithm]()

    @property
    def jwk(self) -> dict[str, Any]:
        kinds = {"RS256": jwt.algorithms.RSAAlgorithm, "EdDSA": jwt.algorithms.OKPAlgorithm}
        kind: Any = kinds.get(self.algorithm, jwt.algorithms.ECAlgorithm)
        public = kind.to_jwk(self.key.public_key(), as_dict=True)
        return {key: value for key, value in public.items() if key != "key_ops"} | {
            "kid": self.kid,
            "alg": self.algorithm,
            "use": "sig",
        }

    def sign(self, claims: Mapping[str, Any]) -> str:
        return jwt.encode(dict(claims), self.key, self.algorithm, {"kid": self.kid})


RSA, ED, EC = Signer("rsa-1"), Signer("ed-1", "EdDSA"), Signer("ec-1", "ES256")
STRANGER = Signer("rsa-1")  # the same id, another key


class Cluster:
    """What Nomad shows at /.well-known/jwks.json, and how often it was asked."""

    def __init__(self, *signers: Signer) -> None:
        self.signers = list(signers)
        self.asked = 0
        self.error: SeraiError | None = None
        self.more: list[object] = []

    def fetch(self) -> Mapping[str, Any]:
        self.asked += 1
        if self.error is not None:
            raise self.error
        return {"keys": [*(signer.jwk for signer in self.signers), *self.more]}


CLOCK_START = FakeClock()().timestamp()


def claims(**changes: object) -> dict[str, Any]:
    """Return the claims of a token as Nomad makes it; None leaves one out."""
    whole = {
        "aud": "serai",
        "exp": CLOCK_START + 3600,
        "iat": CLOCK_START,
        "nbf": CLOCK_START,
        "jti": "2d3f",
        "sub": "global:models:digits-v3:model:server:serai",
        "nomad_namespace": "models",
        "nomad_job_id": "digits-v3",
        "nomad_allocation_id": ALLOCATION,
        "nomad_task": "server",
    } | changes
    return {key: value for key, value in whole.items() if value is not None}


def make_identities(cluster: Cluster, clock: FakeClock | None = None) -> WorkloadIdentities:
    return WorkloadIdentities(cluster.fetch, "models", clock or FakeClock())


@pytest.mark.parametrize("signer", [RSA, ED], ids=lambda signer: signer.algorithm)
@pytest.mark.parametrize("audience", ["serai", ["vault.io", "serai"]])
def test_a_replica_is_known_and_may_fetch_for_its_workload(signer: Signer, audience: object) -> None:
    found = make_identities(Cluster(RSA, ED)).identify(signer.sign(claims(aud=audience)))
    assert found == Identity("digits-v3/5f2b8c1e", frozenset({Permission.FETCH}), "digits-v3")


def encode(part: object) -> str:
    return base64.urlsafe_b64encode(json.dumps(part).encode()).rstrip(b"=").decode()


NOT_NOMADS = [
    "",
    "serai_abcdef",
    "a.b.c",
    "ü.ü.ü",
    "x" * 8000,
    f"{encode({'alg': 'RS256'})}.{encode([])}.",
    f"{encode({'alg': 'RS256'})}.{base64.urlsafe_b64encode(b'[' * 5000).decode()}.AAAA",
    RSA.sign({"iss": "https://login.example", "sub": "ann", "exp": CLOCK_START + 60}),
]


@pytest.mark.parametrize("token", NOT_NOMADS, ids=range(len(NOT_NOMADS)))
def test_what_is_no_token_of_nomad_is_left_to_others(token: str) -> None:
    cluster = Cluster(RSA)
    assert make_identities(cluster).identify(token) is None
    assert cluster.asked == 0, "strangers must not have Nomad asked"


def tamper(part: int, change: Callable[[dict[str, Any]], dict[str, Any]]) -> str:
    """Return a good token with one part changed and the signature as it was."""
    parts = RSA.sign(claims()).split(".")
    decoded = json.loads(base64.urlsafe_b64decode(parts[part] + "=="))
    parts[part] = encode(change(decoded))
    return ".".join(parts)


def confuse() -> str:
    """Return a token signed by HMAC with the public key as its secret."""
    pem = RSA.key.public_key().public_bytes(serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo)
    head = f"{encode({'alg': 'HS256', 'kid': 'rsa-1', 'typ': 'JWT'})}.{encode(claims())}"
    algorithm = jwt.algorithms.HMACAlgorithm(jwt.algorithms.HMACAlgorithm.SHA256)
    return f"{head}.{base64.urlsafe_b64encode(algorithm.sign(head.encode(), pem)).rstrip(b'=').decode()}"


BAD = {
    "another job": (tamper(1, lambda c: c | {"nomad_job_id": "secret-v1"}), "signature is wrong"),
    "a longer life": (tamper(1, lambda c: c | {"exp": CLOCK_START + 10**6}), "signature is wrong"),
    "no signature": (RSA.sign(claims()).rpartition(".")[0] + ".", "signature is wrong"),
    "a cut signature": (RSA.sign(claims()).rpartition(".")[0] + ".eHh4", "signature is wrong"),
    "alg none": (tamper(0, lambda h: h | {"alg": "none"}), "not signed with a key"),
    "alg none, no signature": (
        f"{encode({'alg': 'none', 'kid': 'rsa-1'})}.{encode(claims())}.", "not signed with a key"),
    "the public key as a secret": (confuse(), "not signed with a key"),
    "another algorithm of the key": (
        jwt.encode(claims(), RSA.key, "PS256", {"kid": "rsa-1"}), "not signed with a key"),
    "the key of another kind": (tamper(0, lambda h: h | {"alg": "EdDSA"}), "signature is wrong"),
    "another's key under our id": (STRANGER.sign(claims()), "signature is wrong"),
    "an unknown key": (Signer("rsa-9").sign(claims()), "not signed with a key"),
    "an algorithm that Nomad has not": (EC.sign(claims()), "not signed with a key"),
    "no key id": (jwt.encode(claims(), RSA.key, "RS256"), "not signed with a key"),
    "another audience": (RSA.sign(claims(aud="vault.io")), "audience is not 'serai'"),
    "no audience": (RSA.sign(claims(aud=None)), "signature is wrong"),
    "expired": (RSA.sign(claims(exp=CLOCK_START - 31)), "it has expired"),
    "no end": (RSA.sign(claims(exp=None)), "never expires; give the identity a ttl"),
    "an end that is none": (RSA.sign(claims(exp=math.inf)), "its exp is no instant"),
    "an end that is no number": (RSA.sign(claims(exp=True)), "its exp is no instant"),
    "not yet": (RSA.sign(claims(nbf=CLOCK_START + 31)), "not valid yet; compare the clocks"),
    "made in the future": (RSA.sign(claims(iat=CLOCK_START + 31, nbf=None)), "not valid yet"),
    "another namespace": (RSA.sign(claims(nomad_namespace="default")), "of the namespace 'default', not of 'models'"),
    "no namespace": (RSA.sign(claims(nomad_namespace=None)), "it lacks nomad_namespace"),
    "no allocation": (RSA.sign(claims(nomad_allocation_id=None)), "it lacks nomad_allocation_id"),
    "a service's token": (RSA.sign(claims(nomad_task=None)), "it lacks nomad_task"),
    "a job of somebody else": (RSA.sign(claims(nomad_job_id="redis")), "its job 'redis' is none of Serai's"),
    "a job id that is no text": (RSA.sign(claims(nomad_job_id=7)), "it lacks nomad_job_id"),
}  # fmt: skip


@pytest.mark.parametrize("case", BAD)
def test_a_bad_token_of_nomad_is_refused(case: str) -> None:
    token, why = BAD[case]
    with pytest.raises(Unauthenticated, match=why) as raised:
        make_identities(Cluster(RSA, ED, EC)).identify(token)
    assert token not in raised.value.message


def test_clocks_may_differ_by_a_little() -> None:
    identities = make_identities(Cluster(RSA))
    assert identities.identify(RSA.sign(claims(exp=CLOCK_START - 29)))
    assert identities.identify(RSA.sign(claims(nbf=CLOCK_START + 29, iat=CLOCK_START + 29)))


def test_keys_are_asked_for_once_and_again_when_a_token_names_a_new_one() -> None:
    clock, cluster, new = FakeClock(), Cluster(RSA), Signer("rsa-2")
    identities = make_identities(cluster, clock)
    for _ in range(5):
        assert identities.identify(RSA.sign(claims()))
    assert cluster.asked == 1
    cluster.signers = [new, RSA]  # rotated: the old one still verifies
    with pytest.raises(Unauthenticated):
        identities.identify(new.sign(claims()))
    assert cluster.asked == 1, "asked a moment ago"
    clock.advance(6)
    assert identities.identify(new.sign(claims()))
    assert identities.identify(RSA.sign(claims()))
    assert cluster.asked == 2


def test_strangers_with_invented_keys_have_nomad_asked_every_few_seconds_at_most() -> None:
    clock, cluster = FakeClock(), Cluster(RSA)
    identities = make_identities(cluster, clock)
    for number in range(100):
        with pytest.raises(Unauthenticated):
            identities.identify(jwt.encode(claims(), RSA.key, "RS256", {"kid": f"invented-{number}"}))
        clock.advance(0.1)
    assert cluster.asked == 2


def test_a_key_that_nomad_withdrew_is_believed_for_minutes_only() -> None:
    clock, cluster = FakeClock(), Cluster(RSA, ED)
    identities = make_identities(cluster, clock)
    assert identities.identify(RSA.sign(claims()))
    cluster.signers = [ED]
    clock.advance(601)
    with pytest.raises(Unauthenticated):
        identities.identify(RSA.sign(claims()))


def test_known_keys_do_while_nomad_is_away() -> None:
    clock, cluster = FakeClock(), Cluster(RSA)
    identities = make_identities(cluster, clock)
    assert identities.identify(RSA.sign(claims()))
    cluster.error = SchedulerUnavailable("Nomad cannot be reached")
    clock.advance(1200)
    assert identities.identify(RSA.sign(claims()))
    with pytest.raises(SchedulerUnavailable, match="Nomad cannot be reached"):
        identities.identify(Signer("rsa-2").sign(claims()))
    asked = cluster.asked
    assert identities.identify(RSA.sign(claims()))
    assert cluster.asked == asked
    cluster.error = None
    clock.advance(6)
    with pytest.raises(Unauthenticated):
        identities.identify(Signer("rsa-2").sign(claims()))


def test_without_any_key_nomad_s_absence_is_told_as_such_and_heals() -> None:
    clock, cluster = FakeClock(), Cluster(RSA)
    cluster.error = SchedulerUnavailable("Nomad cannot be reached")
    identities = make_identities(cluster, clock)
    with pytest.raises(SchedulerUnavailable, match="keys of Nomad's workload identities cannot be read"):
        identities.identify(RSA.sign(claims()))
    cluster.error = None
    clock.advance(6)
    assert identities.identify(RSA.sign(claims()))


def test_keys_of_a_kind_not_known_here_are_left_out() -> None:
    cluster = Cluster(RSA)
    cluster.more = [
        {"kty": "PQC", "kid": "new"},
        {"kid": "empty"},
        "nonsense",
        {"kty": "oct", "k": "AAAA", "kid": "hmac"},
    ]
    assert make_identities(cluster).identify(RSA.sign(claims()))


def test_a_clock_set_back_does_not_stop_new_keys() -> None:
    clock, cluster, new = FakeClock(), Cluster(RSA), Signer("rsa-2")
    identities = make_identities(cluster, clock)
    assert identities.identify(RSA.sign(claims()))
    clock.now -= timedelta(seconds=20)
    cluster.signers = [new]
    assert identities.identify(new.sign(claims()))


def test_many_callers_ask_once() -> None:
    cluster = Cluster(RSA)
    identities, token = make_identities(cluster), RSA.sign(claims())
    found: list[Identity | None] = []
    threads = [threading.Thread(target=lambda: found.append(identities.identify(token))) for _ in range(20)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(found) == 20 and all(found) and cluster.asked == 1


def test_two_in_one_process_do_not_meet() -> None:
    mine, theirs = make_identities(Cluster(RSA)), make_identities(Cluster(ED))
    assert mine.identify(RSA.sign(claims()))
    with pytest.raises(Unauthenticated):
        theirs.identify(RSA.sign(claims()))
