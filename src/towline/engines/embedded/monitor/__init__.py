"""The monitor: one small process for each container, which lives on while the control plane restarts.

It holds what must not be lost with the control plane: the container's standard streams, its exit
status, its mounts and the values of its environment. It knows no image, no registry and no store.
Only the standard library is imported here, and little of that: a container's start waits for it.
"""
