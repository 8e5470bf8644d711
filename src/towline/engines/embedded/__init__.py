"""The embedded engine: pulls, unpacks and runs containers on this machine, without any daemon."""
