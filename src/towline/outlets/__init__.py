"""Small programs that other programs start: docker's credential helper, the kubelet's credential provider.

Each is started anew for every question, so they import little, from the standard library, and nothing of
the server's. They speak the same REST API as any client.
"""
