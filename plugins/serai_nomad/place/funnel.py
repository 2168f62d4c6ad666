"""Why Nomad finds no place for a replica: from what the scheduler said and from the nodes as they are."""

from __future__ import annotations

from dataclasses import replace

from serai.domain.reasons import Reason
from serai_nomad.facts import ClusterFacts, Json

from .asks import parse_ask
from .metric_words import explain_metrics
from .obstacles import explain_obstacle
from .survey import make_survey
from .survey_words import count_funnel


def explain_placement(definition: Json, metrics: Json, cluster: ClusterFacts | None) -> Reason:
    """Return why no place was found, in one sentence.

    `definition` is the job, `metrics` what an evaluation or a plan says of its group (FailedTGAllocs), `cluster` the
    nodes, None where they cannot be read. What we count ourselves is told where it agrees that there is no place, as
    it knows names and whether waiting helps; else Nomad's own words are, since it sees what we may not.
    """
    ask = parse_ask(definition)
    if cluster is None:
        return explain_metrics(ask, metrics)
    survey = make_survey(ask, cluster)
    reason = explain_obstacle(survey) or explain_metrics(ask, metrics, survey)
    return replace(reason, funnel=count_funnel(survey))
