"""The web pages: one blueprint, one small class per page, all of them fed by the `Core` they are given."""

from __future__ import annotations

from flask import Blueprint

from serai.reconcile.core import Core
from serai.web.attempts import Attempts

from .account import AccountPage
from .assets import Assets
from .capacity import CapacityPage
from .chart_library import ChartLibrary
from .console import ConsolePage
from .deploy import DeployPages
from .deployments import DeploymentsPage
from .events import EventsPage
from .frame import Frame
from .keys import KeysPage
from .live import LiveReads
from .logs import LogPages
from .metrics import MetricsPage
from .overview import OverviewPage
from .resets import ResetPages
from .settings import SettingsPage
from .sign_in_ways import SignInWays
from .signin import SigninPages
from .steps import Trail
from .teams import TeamForms
from .trace import TracePage
from .users import UsersPage
from .versions import VersionPages


def make_ui(core: Core, attempts: Attempts) -> Blueprint:
    """Return the pages of `core`, to be registered at the root of the server; `attempts` counts failed sign-ins."""
    ui = Blueprint("ui", "serai.web", template_folder="templates")
    assets, library, trail = Assets(), ChartLibrary(), Trail()
    Frame(core, assets).register(ui)
    signing_in, users = SigninPages(core, attempts), UsersPage(core)
    for page in (
        assets,
        library,
        signing_in,
        SignInWays(core, signing_in),
        LiveReads(core),
        DeploymentsPage(core),
        DeployPages(core),
        OverviewPage(core, trail),
        VersionPages(core, trail),
        MetricsPage(core, library),
        LogPages(core),
        ConsolePage(core),
        SettingsPage(core),
        KeysPage(core),
        EventsPage(core),
        CapacityPage(core),
        TracePage(core),
        users,
        ResetPages(core, users),
        TeamForms(core, users),
        AccountPage(core, attempts),
    ):
        page.register(ui)
    return ui
