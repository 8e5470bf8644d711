"""The child that unpacks one layer: a program of its own, because what a layer says must not be believed.

It shuts itself into the layer's empty folder (chroot; a normal user in a user namespace first), gives up
what it does not need, and only then looks at the first byte. It imports no part of Towline beyond this
package and the monitor's namespaces. Facts: opencontainers/image-spec ``layer.md`` (change sets,
whiteouts), Documentation/filesystems/overlayfs.rst, chroot(2), capabilities(7).
"""
