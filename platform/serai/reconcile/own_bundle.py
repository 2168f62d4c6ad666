"""Which bundle a workload that calls for itself may fetch: that of its own version."""

from __future__ import annotations

from serai.domain.errors import Invalid, NotFound
from serai.domain.names import parse_workload_id
from serai.store.database import Database
from serai.store.deployments import get_deployment
from serai.store.version_rows import get_version

from .cluster import Cluster


def is_own_bundle(db: Database, cluster: Cluster, workload: str, digest: str) -> bool:
    """Return whether `digest` is the bundle of the workload's version, and that is to run or still does.

    Intent is read from the store: right after the server's start the cluster knows none, and a replica that is
    refused its bundle counts as crashed.
    """
    try:
        name, number = parse_workload_id(workload)
        with db.read():
            deployment, version = get_deployment(db, name), get_version(db, name, number)
    except (Invalid, NotFound):
        return False
    situation = cluster.situation(name)
    is_live = situation is not None and situation.has_live(version)
    return version.spec.bundle == digest and (number in {deployment.active, deployment.incumbent} or is_live)
