"""Calls about one job: what it is, what became of it, and the writes."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from serai.domain.errors import SchedulerError
from serai_nomad.facts import Json
from serai_nomad.names import GROUP

from .agent_errors import clean_text
from .calls import Calls, as_mapping, as_rows, quote_id, speaking


class JobCalls(Calls):
    """Writes that may be done twice wait for a lost leader."""

    def job(self, id: str) -> Json:
        """Return the whole job. Raise NotFound."""
        with speaking():
            return as_mapping(self._nomad.job.get_job(quote_id(id)))

    def job_versions(self, id: str) -> tuple[Json, ...]:
        """Return the kept versions of a job, the newest first; each is a whole job. Raise NotFound."""
        with speaking():
            return as_rows(as_mapping(self._nomad.job.get_versions(quote_id(id))).get("Versions"))

    def job_allocations(self, id: str) -> tuple[Json, ...]:
        """Return the stubs of a job's allocations, with TaskStates; () for an unknown job."""
        with speaking():
            return as_rows(self._nomad.job.get_allocations(quote_id(id), namespace=self.settings.namespace))

    def job_evaluations(self, id: str) -> tuple[Json, ...]:
        """Return a job's evaluations, those of a purged job of the same id too; () for an unknown job."""
        with speaking():
            return as_rows(self._nomad.job.get_evaluations(quote_id(id), namespace=self.settings.namespace))

    def register(
        self, job: Json, enforce_index: int | None = None, source: str = "", source_format: str = "json"
    ) -> Json:
        """Register a job; return EvalID, JobModifyIndex, Warnings.

        With `enforce_index` only if the job's JobModifyIndex is that (0: if there is none); else Conflict. After a
        lost leader a Conflict may come of our own first try: read the job. `source` is what the Nomad UI shows as
        the job's definition, in `source_format` json, hcl1 or hcl2.
        """
        body: dict[str, Any] = {"Job": dict(job)}
        if enforce_index is not None:
            body |= {"EnforceIndex": True, "JobModifyIndex": enforce_index}
        if source:
            body["Submission"] = {"Source": source, "Format": source_format}
        with speaking():
            return as_mapping(self._nomad.jobs.register_job(body))

    def scale(
        self, id: str, count: int, message: str = "", group: str = GROUP, enforce_index: int | None = None
    ) -> Json:
        """Set the count of a job's group and nothing else. Raise NotFound for an unknown job."""
        body: dict[str, Any] = {"Count": count, "Target": {"Group": group}, "Message": message}
        if enforce_index is not None:
            body |= {"EnforceIndex": True, "JobModifyIndex": enforce_index}
        return self.ask("PUT", f"/v1/job/{quote_id(id)}/scale", body=body)

    def deregister(self, id: str, purge: bool = False) -> Json:
        """Stop a job, with `purge` forget it and its allocations at once. Fine for an unknown job (EvalID empty)."""
        with speaking():
            return as_mapping(self._nomad.job.deregister_job(quote_id(id), purge=purge or None))

    def evaluate(self, id: str) -> Json:
        """Have Nomad try again to place what is missing of a job. Raise NotFound for an unknown job."""
        body = {"JobID": id, "EvalOptions": {}}
        return self.ask("PUT", f"/v1/job/{quote_id(id)}/evaluate", body=body)

    def plan(self, job: Json, diff: bool = False) -> Json:
        """Return what registering this would do: FailedTGAllocs, Annotations, CreatedEvals, Warnings, Diff."""
        with speaking():
            return as_mapping(self._nomad.job.plan_job(quote_id(str(job["ID"])), {"Job": dict(job)}, diff=diff))

    def validate(self, job: Json) -> str:
        """Return Nomad's warnings about a job in one sentence, "" for none. Raise SchedulerError if it is no good.

        Nomad checks neither unknown keys nor the configuration of drivers.
        """
        with speaking():
            answer = as_mapping(self._nomad.validate.validate_job({"Job": dict(job)}).json())
        errors = clean_text("".join(f"\n* {text}" for text in answer.get("ValidationErrors") or ()))
        if errors or answer.get("Error"):
            raise SchedulerError(f"Nomad refuses the job {job.get('ID')}: {errors or clean_text(answer['Error'])}")
        return clean_text(answer.get("Warnings") or "")

    def parse_hcl(self, text: str, variables: Mapping[str, object] | None = None, canonicalize: bool = False) -> Json:
        """Return the job that an HCL text makes with these variables, parsed by Nomad. Raise SchedulerError.

        `canonicalize` fills in defaults, that of Update too.
        """
        lines = [f"{name} = {_hcl_value(value)}\n" for name, value in (variables or {}).items()]
        body = {"JobHCL": text, "Variables": "".join(lines), "Canonicalize": canonicalize}
        return self.ask("POST", "/v1/jobs/parse", body=body)


def _hcl_value(value: object) -> str:
    """Return a value as HCL: JSON, but for `${` and `%{`, which would begin an interpolation or a directive."""
    return json.dumps(value).replace("${", "$${").replace("%{", "%%{")
