"""The embedded engine: pulls, unpacks and runs containers on this machine, without any daemon.

Nothing is imported here: every container's monitor passes through this file when it starts.
"""
