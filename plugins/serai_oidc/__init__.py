"""Signing in at a provider of OpenID Connect: Keycloak, Entra ID, Google, and the like."""
