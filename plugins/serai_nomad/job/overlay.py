"""An operator's job laid over the one Serai renders: a pure function of the two.

What the template says, wins; what it leaves out, is as Serai renders it; what Serai has to own (below) stays Serai's.
Lists such as constraints, artifacts and templates are joined.
"""

from __future__ import annotations

from serai.domain.errors import SchedulerError
from serai_nomad.facts import Json
from serai_nomad.names import GROUP, PORT_LABEL, PROBE, TASK

_OWNED = ("ID", "Name", "Namespace", "Region", "Type", "Update")
_OWNED_BY_GROUP = ("Name", "Count")
_OWNED_BY_TASK = ("Name",)
_UNFIT = ("Periodic", "ParameterizedJob", "Multiregion")
_JOINED = ("Constraints", "Affinities", "Spreads", "Artifacts", "Templates", "Identities", "VolumeMounts")


def overlay_template(ours: Json, template: Json) -> Json:
    """Return the job to register. Raise SchedulerError (`template-unfit`) for a job that cannot be a model's."""
    for key in _UNFIT:
        if template.get(key):
            raise _unfit(f"has {key}, and a model runs all the time")
    groups: list[Json] = list(template.get("TaskGroups") or ())
    if len(groups) != 1:
        raise _unfit(f"has {len(groups)} groups; it needs exactly one, for the model")
    job = _lay_over(ours, template, _OWNED)
    job["TaskGroups"] = [_overlay_group(ours["TaskGroups"][0], groups[0])]
    meta = {**(template.get("Meta") or {}), **ours["Meta"]}
    job["Meta"] = {key: value for key, value in meta.items() if key != PROBE or not has_check(groups[0])}
    return job


def _overlay_group(ours: Json, template: Json) -> Json:
    main = [task for task in template.get("Tasks") or () if not task.get("Lifecycle")]
    if len(main) != 1:
        names = ", ".join(str(task.get("Name")) for task in main) or "none"
        raise _unfit(f"has {len(main)} main tasks ({names}); it needs exactly one, the others need a lifecycle block")
    helpers = [task for task in template["Tasks"] if task.get("Lifecycle")]
    group = _lay_over(ours, template, _OWNED_BY_GROUP)
    if PORT_LABEL not in _port_labels(group):
        raise _unfit(f'has a network without a port "{PORT_LABEL}", which Serai sends requests to')
    if not has_check(template):
        group["Services"] = [*(template.get("Services") or ()), *ours["Services"]]
    group["Volumes"] = {**(ours.get("Volumes") or {}), **(template.get("Volumes") or {})}
    server, installers = ours["Tasks"][0], ours["Tasks"][1:]
    group["Tasks"] = [_overlay_task(server, main[0]), *installers, *helpers]
    return {key: value for key, value in group.items() if key != "Volumes" or value}


def _overlay_task(ours: Json, template: Json) -> Json:
    task = _lay_over(ours, template, _OWNED_BY_TASK)
    if template.get("Driver") in {None, "", ours["Driver"]}:
        task["Config"] = {**ours["Config"], **(template.get("Config") or {})}
    elif not template.get("Config"):
        raise _unfit(f"has the driver {template['Driver']} without a config block")
    task["Env"] = {**(template.get("Env") or {}), **ours["Env"]}
    task["Resources"] = _overlay_resources(ours["Resources"], template.get("Resources") or {})
    return task


def _overlay_resources(ours: Json, template: Json) -> Json:
    """Lay CPU over cores, and cores over CPU: Nomad takes one of them."""
    other = {"CPU": "Cores", "Cores": "CPU"}
    said = {key: value for key, value in template.items() if value}
    dropped = {other[key] for key in other if said.get(key)}
    return {**{key: value for key, value in ours.items() if key not in dropped}, **said}


def _lay_over(ours: Json, template: Json, owned: tuple[str, ...]) -> dict[str, object]:
    """Return ours with what the template says; the parser gives null, "" or 0 for what it does not say."""
    said = {key: value for key, value in template.items() if value and key not in owned}
    joined = {key: [*(ours.get(key) or ()), *(said.get(key) or ())] for key in _JOINED}
    return {**ours, **said, **{key: value for key, value in joined.items() if value}}


def has_check(group: Json) -> bool:
    """Tell whether a group or one of its tasks has a service that Nomad checks."""
    holders = (group, *(group.get("Tasks") or ()))
    return any(service.get("Checks") for holder in holders for service in holder.get("Services") or ())


def _port_labels(group: Json) -> set[str]:
    networks = group.get("Networks") or ()
    ports = (port for net in networks for key in ("DynamicPorts", "ReservedPorts") for port in net.get(key) or ())
    return {str(port.get("Label")) for port in ports}


def _unfit(what: str) -> SchedulerError:
    return SchedulerError(f"plugin.nomad.template {what} (group {GROUP!r}, task {TASK!r})", "template-unfit")
