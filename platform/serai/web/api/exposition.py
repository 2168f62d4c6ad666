"""What monitoring systems scrape."""

from __future__ import annotations

from flask import Response, request

from serai.domain.errors import NotSupported
from serai.domain.status import State
from serai.plugin.exposition import VersionFacts
from serai.plugin.identity import Permission
from serai.reconcile.views import VersionView
from serai.web.endpoint import Call, Media, Resource

resource = Resource("exposition", "Figures of one deployment for Prometheus.", prefix="")


@resource.on("GET", "/metrics", Permission.READ, {200: None}, refuses=(501,), media=Media.TEXT)
def scrape(call: Call) -> Response:
    """Tell the present figures of everything, as the plugin that does so writes them."""
    core = call.core
    if core.exposition is None:
        raise NotSupported("no enabled plugin writes /metrics; add one that does to `plugins`, such as prometheus")
    versions = [_facts(view) for shown in core.cluster.views() for view in shown.versions if _is_told(view)]
    body, content_type = core.exposition.render(versions, request.headers.get("Accept", ""), core.clock())
    return Response(body, content_type=content_type)


def _facts(view: VersionView) -> VersionFacts:
    version, status = view.version, view.status
    living = tuple(replica.id for replica in view.replicas if replica.live)
    return VersionFacts(version.deployment, version.number, status.state, status.wanted, status.ready, living)


def _is_told(view: VersionView) -> bool:
    """Old versions that lie about stopped would be series without end; those in Error are what alarms are for."""
    return view.status.state is not State.STOPPED
