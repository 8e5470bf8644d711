"""Towline itself on a cluster: what is installed there, as documents, and carrying it out.

The documents are plain mappings, made by pure functions of one ``Options`` value, and need no library of the
cluster's. The Helm chart in ``deploy/helm`` renders the same ones, which a test compares.
"""
