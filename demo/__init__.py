"""The main job on this machine: a private registry, a server, a good secret, a bad one, its correction."""
