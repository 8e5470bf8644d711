"""Signing in through an OpenID provider: the authorization code flow with PKCE, and both ways out."""

from towline.oidc.provider import OpenIdProvider

__all__ = ["OpenIdProvider"]
