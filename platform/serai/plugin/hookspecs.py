"""The hooks, in the order a server's life calls them. Implement any with `@hookimpl` in a module or object.

Three families, each with one rule:
registration - called once at the start; an object is returned, an error stops the start and names the plugin;
decision     - asked while a call waits; a raised SeraiError is the answer, any other error refuses the call;
news         - told after the fact; an error is logged and concerns nobody else.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import pluggy

from serai.domain.deployment import Deployment, Version
from serai.domain.routes import Grant, RouteTable

from .changes import DeploymentChange
from .context import PluginContext
from .exposition import Exposition
from .identity import Credentials, Identity, Permission
from .key_store import KeyStore
from .log_store import LogStore
from .scheduler import Scheduler
from .sign_in import SignIn
from .sink import Sink

if TYPE_CHECKING:
    import click
    import flask

hookspec = pluggy.HookspecMarker("serai")
hookimpl = pluggy.HookimplMarker("serai")


@hookspec
def serai_register_scheduler(context: PluginContext) -> Scheduler | None:
    """Return the scheduler of this plugin. Registration.

    :param context: where the plugin keeps data, its settings, and the way to bundles.
    :returns: a scheduler, or None for none.
    """


@hookspec
def serai_register_sink(context: PluginContext) -> Sink | None:
    """Return a sink for request windows, usage samples and, if it wants, lines and sampled requests. Registration.

    :param context: where the plugin keeps data, and its settings.
    :returns: a sink, or None for none.
    """


@hookspec
def serai_register_log_store(context: PluginContext) -> LogStore | None:
    """Return what keeps lines of replicas, in place of files below `logs`. Registration; the first plugin's is used.

    Lines that another store keeps are not moved: they are collected again as far as the scheduler still has them.

    :param context: where the plugin keeps data, and its settings.
    :returns: a log store, or None for none.
    """


@hookspec
def serai_register_key_store(context: PluginContext) -> KeyStore | None:
    """Return what keeps keys for `/api/v1/keys`, `serai keys` and the page. Registration; the first plugin's is used.

    :param context: where the plugin keeps data, its settings, and the database for its tables.
    :returns: a key store, or None for none. Its plugin implements `serai_grants` as well.
    """


@hookspec
def serai_register_exposition(context: PluginContext) -> Exposition | None:
    """Return what answers `/metrics`. Registration; the first plugin's is used.

    The server asks for a caller with READ before each scrape.

    :param context: where the plugin keeps data, and its settings.
    :returns: an exposition, or None for none.
    """


@hookspec
def serai_register_sign_in(context: PluginContext) -> SignIn | None:
    """Return a way to sign in by somebody else, a button on the sign-in page. Registration.

    :param context: where the plugin keeps data, and its settings.
    :returns: a sign-in way, or None for none. It is named by its plugin, at `/login/<plugin>`.
    """


@hookspec
def serai_register_blueprint() -> flask.Blueprint | None:
    """Return pages or paths to add to the server. Registration.

    The server mounts them under `/x/<plugin name>/` and asks for a signed-in caller with READ before each.

    :returns: a Flask blueprint, or None for none.
    """


@hookspec
def serai_register_command() -> click.Command | None:
    """Return a command to add to `serai`. Registration; called by the CLI, where no server may be running.

    :returns: a click command or group, or None for none.
    """


@hookspec(firstresult=True)
def serai_authenticate(credentials: Credentials) -> Identity | None:
    """Tell who presents these credentials. Decision; the first answer that is not None holds.

    :param credentials: what the caller presented.
    :returns: the identity, or None where the credentials are not of this plugin's kind.
    :raises Unauthenticated: they are of this plugin's kind, and bad.
    """


@hookspec(firstresult=True)
def serai_authorize(identity: Identity, permission: Permission, deployment: str | None) -> bool | None:
    """Tell whether an identity may do something. Decision; the first answer that is not None holds.

    Asked before a call is read, and again inside of the transaction that writes, which waits for the answer.

    :param identity: who asks.
    :param permission: what the call needs.
    :param deployment: the deployment concerned, or None where the call is about no single one.
    :returns: True or False, or None for no opinion. Without any opinion the answer is no.
    """


@hookspec
def serai_grants(deployment: Deployment) -> Sequence[Grant]:
    """Return the keys that may call a deployment whose access is `keys`. Decision; all answers are joined.

    :param deployment: the deployment that is called.
    :returns: grants, which travel to the gateways in the route table.
    """
    raise NotImplementedError  # a specification is never called; mypy asks for a body where None is no answer


@hookspec
def serai_admit(deployment: Deployment, version: Version) -> None:
    """Look at a version before it is stored. Decision; every plugin is asked.

    :param deployment: the deployment as it will be.
    :param version: the version as it will be.
    :raises SeraiError: it must not be; the message is shown to the caller.
    """


@hookspec
def serai_deployment_changed(change: DeploymentChange) -> None:
    """Something happened to a deployment: one call for each line of its timeline. News.

    :param change: the event, and the deployment after it (None once it is deleted).
    """


@hookspec
def serai_routes_changed(table: RouteTable) -> None:
    """The route table has a new index. News.

    :param table: the whole table.
    """
