"""The plugin `oidc`: a button on the sign-in page."""

from __future__ import annotations

from serai.plugin import PluginContext, SignIn, hookimpl

from .provider import Provider
from .settings import load_settings
from .sign_in import OidcSignIn


class OidcPlugin:
    """The provider is asked at the first sign-in, not at the start: Serai starts while it is away."""

    @hookimpl
    def serai_register_sign_in(self, context: PluginContext) -> SignIn:
        settings = load_settings(context.settings)
        return OidcSignIn(settings, Provider(settings))
