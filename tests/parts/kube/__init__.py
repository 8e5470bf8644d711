"""A small Kubernetes for tests: an API server that keeps and merges objects, controllers, and a node.

It answers as the recorded cluster does: server-side apply with field managers, watches with bookmarks, 410
from within a stream, garbage collection by owner. The node runs pods as processes of this machine.
"""
