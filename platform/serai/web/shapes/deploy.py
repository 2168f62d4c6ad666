"""What a PUT of a deployment answers with 200: the deployment, or with `dry_run` the fit."""

from __future__ import annotations

from .answers import DeploymentAnswer, FitAnswer
from .kinds import RootAnswer


class DeployedAnswer(RootAnswer[DeploymentAnswer | FitAnswer]):
    """The deployment, or with `dry_run=1` the fit."""
