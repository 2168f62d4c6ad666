"""A workload as a Nomad job: a pure function of the workload, the settings and a few facts."""

from __future__ import annotations

from dataclasses import dataclass

from serai.domain.observation import Workload
from serai.domain.spec import Placement
from serai_nomad import names
from serai_nomad.facts import Json
from serai_nomad.settings import NomadSettings

from .bundle_contents import BundleContents
from .constraints import parse_affinity, parse_attribute, parse_constraint
from .drivers import Driver, check_mounts, choose_driver, is_mapped
from .links import make_ui
from .overlay import overlay_template
from .policies import NO_ROLLOUTS, make_policies
from .resources import disk_mb
from .service import make_network, make_probe, make_service
from .tasks import TaskMaker
from .volumes import make_volumes

PRIORITY = 50


@dataclass(frozen=True, slots=True)
class RenderFacts:
    """What a job depends on beside its workload.

    `instance` identifies this installation (the value of the tag). `server_url` is where people and, without
    `bundle_url`, nodes reach the server. `endpoint` is the address of the deployment at the gateway, "" if not known.
    `core_mhz`: what a core of the cluster's nodes has, for fractions of one. `bundle`: what the bundle holds, None
    without one. `template`: the operator's job, parsed by `template.load_template`.
    """

    instance: str
    server_url: str
    core_mhz: int = 1000
    bundle: BundleContents | None = None
    template: Json | None = None
    owner: str = ""
    endpoint: str = ""


def render_job(workload: Workload, settings: NomadSettings, facts: RenderFacts) -> Json:
    """Return the job, without the `{"Job": ...}` around it; no secret's value is in it.

    Raise Invalid (field named) or NotSupported for what this installation cannot run.
    """
    driver = choose_driver(workload.spec, settings)
    check_mounts(workload.spec, driver)
    job = {
        **_make_head(workload, settings, facts),
        **_make_placement(workload.spec.placement, settings),
        "TaskGroups": [_make_group(workload, settings, facts, driver)],
    }
    return overlay_template(job, facts.template) if facts.template is not None else job


def _make_head(workload: Workload, settings: NomadSettings, facts: RenderFacts) -> Json:
    return {
        "ID": workload.id,
        "Name": f"{workload.deployment} v{workload.version}",
        "Type": "service",
        "Namespace": settings.namespace,
        **({"Region": settings.region} if settings.region else {}),
        "Priority": PRIORITY,
        "Meta": {
            names.MANAGED: facts.instance,
            names.DEPLOYMENT: workload.deployment,
            names.VERSION: str(workload.version),
            names.DIGEST: workload.digest,
            **make_probe(workload.spec.health),
            names.ATTEMPTS: str(workload.spec.start_attempts),
        },
        "UI": make_ui(workload, facts.server_url, facts.endpoint, facts.owner),
        "Update": NO_ROLLOUTS,
    }


def _make_placement(placement: Placement, settings: NomadSettings) -> Json:
    field = "placement.{}[{}]".format
    constraints = [
        parse_constraint(text, field("constraints", i)).render() for i, text in enumerate(placement.constraints)
    ]
    affinities = [
        {**parse_affinity(wish.match, field("affinities", i)).render(), "Weight": wish.weight}
        for i, wish in enumerate(placement.affinities)
    ]
    spread = [
        {"Attribute": parse_attribute(wish.attribute, field("spread", i)), "Weight": wish.weight}
        for i, wish in enumerate(placement.spread)
    ]
    optional = {"Constraints": constraints, "Affinities": affinities, "Spreads": spread}
    return {
        "NodePool": placement.pool or settings.pool,
        "Datacenters": list(placement.datacenters or settings.datacenters),
        **{key: value for key, value in optional.items() if value},
    }


def _make_group(workload: Workload, settings: NomadSettings, facts: RenderFacts, driver: Driver) -> Json:
    spec = workload.spec
    tasks = TaskMaker(
        workload=workload,
        settings=settings,
        driver=driver,
        contents=facts.bundle or BundleContents(),
        server_url=settings.bundle_url.rstrip("/") or facts.server_url,
        core_mhz=facts.core_mhz,
    )
    return {
        "Name": names.GROUP,
        "Count": workload.count,
        "EphemeralDisk": {"SizeMB": disk_mb(spec.resources)},
        "Networks": [make_network(spec.port, is_mapped(driver, settings))],
        "Services": [make_service(workload.id, spec.health)],
        **make_policies(spec, settings),
        **({"Volumes": make_volumes(spec.mounts)} if spec.mounts else {}),
        "Tasks": tasks.make(),
    }
