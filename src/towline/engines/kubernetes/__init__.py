"""Kubernetes as the engine: the cluster runs the containers, Towline keeps and proves the credentials.

Towline applies whole documents by server-side apply under a field manager of its own, watches what becomes
of them (one stream for each kind), and reads a cause out of what the watch says: `verdicts` has the rules.
"""
