"""The JSON that rapyuta.io's clients send and expect, translated both ways (a file per noun).

Inbound: every model field may be null or absent and read-only ones are ignored, as the official
clients send all of them; a violated rule raises InvalidInput with the field's path in the body.
Outbound: nulls are left out, enums are exact, no password is ever written. The facts are those of
rapyuta.io's v2 API as its SDK (PyPI ``rapyuta-io-sdk-v2``) sends and validates it.
"""
