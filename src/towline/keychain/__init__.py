"""Where a credential comes from: each module is one source behind the port ``Keychain``.

A source without an answer returns None; one that failed raises, as falling through to anonymous
would hide the cause. ``stored`` reads Towline's own sealed secrets (design sections 3 and 7).
"""
