"""How other tools find a credential for an image in the files that ``docker login`` and its likes write.

Four readers, one table of rules (``rules``): docker, podman's family, the kubelet, oras. Nothing here opens a
file or runs a program: ``resolving`` yields the questions that a credential helper must be asked.

Facts: docker/cli ``cli/config``; containers/image ``pkg/docker/config``; kubernetes
``pkg/credentialprovider``; oras-go ``registry/remote/credentials``.
"""
