"""How Towline is to be installed on a cluster: one frozen value that is legal once it exists."""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from towline.domain.errors import InvalidInput
from towline.domain.image import ImageReference

_NAME = re.compile(r"[a-z](?:[a-z0-9-]{0,51}[a-z0-9])?")
_LABEL = re.compile(r"[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?")
_SUBDOMAIN = re.compile(r"(?=.{1,253}$)[a-z0-9](?:[a-z0-9-]*[a-z0-9])?(?:\.[a-z0-9](?:[a-z0-9-]*[a-z0-9])?)*")
_PATTERN = re.compile(r"[a-z0-9][a-z0-9-]{0,62}\*?|\*")
_QUANTITY = re.compile(r"[0-9]+(?:\.[0-9]+)?(?:m|k|M|G|T|Ki|Mi|Gi|Ti)?")
_SETTING = re.compile(r"[a-z][a-z0-9_]*")
_NAME_RULE = "use at most 53 lower-case letters, digits and '-', the first a letter"
_LABEL_RULE = "use at most 63 lower-case letters, digits and '-', first and last a letter or digit"
_SUBDOMAIN_RULE = "use lower-case letters, digits, '-' and '.', at most 253"
_QUANTITY_RULE = "write a quantity as Kubernetes does, for example 500m, 512Mi or 10Gi"


@dataclass(frozen=True, slots=True, kw_only=True)
class Options:
    """All choices of an installation. Names of Secrets are those of Secrets in ``namespace``."""

    image: str
    name: str = "towline"
    namespace: str = "towline"
    image_pull_secret: str = ""
    host: str = ""
    ingress_class: str = ""
    ingress_tls_secret: str = ""
    ingress_annotations: Mapping[str, str] = field(default_factory=dict)
    tls_secret: str = ""
    trusted_proxies: Sequence[str] = ()
    allow_plain_http: bool = False
    allow_from: Sequence[str] = ()
    allow_metadata: bool = False
    storage_class: str = ""
    storage_size: str = "10Gi"
    database_secret: str = ""
    replicas: int = 1
    keyring_secret: str = "towline-keyring"  # noqa: S105  (the name of a Secret)
    watch_namespaces: Sequence[str] = ()
    mirror_namespaces: Sequence[str] = ()
    cpu: str = "100m"
    memory: str = "512Mi"
    settings: Mapping[str, str] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self._check_names()
        self._check_numbers()
        self._check_ways_in()
        for name in self.settings:
            if not _SETTING.fullmatch(name):
                raise InvalidInput("set", problem=f"{name!r} is no setting", rule="name one as log_level")
            if name in FIXED:
                rule = "use the options of the installation instead"
                raise InvalidInput("set", problem=f"{name} would contradict the rest", rule=rule)

    @property
    def instance(self) -> str:
        """What tells this installation's objects from another's."""
        return f"{self.name}.{self.namespace}"

    @property
    def is_sqlite(self) -> bool:
        """Whether the database is a file on a volume, which one replica alone may open."""
        return not self.database_secret

    @property
    def labels(self) -> dict[str, str]:
        """The labels of everything that is installed."""
        return self.pod_labels | {MANAGED_BY: MANAGER}

    @property
    def pod_labels(self) -> dict[str, str]:
        """The labels of the pods."""
        return self.selector | {"app.kubernetes.io/component": "control-plane"}

    @property
    def selector(self) -> dict[str, str]:
        """The labels by which the pods are found; they never change, as a Deployment's cannot."""
        return {"app.kubernetes.io/name": "towline", INSTANCE: self.instance}

    def _check_names(self) -> None:
        ImageReference.parse(self.image)
        _match("name", self.name, _NAME, rule=_NAME_RULE)
        labels = [("namespace", self.namespace)]
        labels += [("watch-namespaces", each) for each in self.watch_namespaces]
        labels += [("allow-from", each) for each in self.allow_from]
        for name, value in labels:
            _match(name, value, _LABEL, rule=_LABEL_RULE)
        if len(self.instance) > 63:
            problem = f"together with the namespace it is {len(self.instance)} letters long"
            raise InvalidInput("name", problem=problem, rule="use at most 63")
        for pattern in self.mirror_namespaces:
            _match("mirror-namespaces", pattern, _PATTERN, rule="name them, or write patterns as shop-*")
        subdomains = (
            ("keyring-secret", self.keyring_secret),
            ("image-pull-secret", self.image_pull_secret),
            ("tls-secret", self.tls_secret),
            ("ingress-tls-secret", self.ingress_tls_secret),
            ("ingress-class", self.ingress_class),
            ("database-secret", self.database_secret),
            ("storage-class", self.storage_class),
            ("host", self.host),
        )
        for name, value in subdomains:
            if value or name == "keyring-secret":
                _match(name, value, _SUBDOMAIN, rule=_SUBDOMAIN_RULE)

    def _check_numbers(self) -> None:
        for name in ("storage_size", "cpu", "memory"):
            _match(name.replace("_", "-"), getattr(self, name), _QUANTITY, rule=_QUANTITY_RULE)
        if self.replicas < 1:
            raise InvalidInput("replicas", problem=f"{self.replicas} run nothing", rule="use at least 1")
        if self.replicas > 1 and self.is_sqlite:
            raise InvalidInput(
                "replicas",
                problem=f"{self.replicas} cannot share the file of SQLite",
                rule="use 1, or name a Secret with a PostgreSQL URL: --database-secret",
            )

    def _check_ways_in(self) -> None:
        for address in self.trusted_proxies:
            try:
                ipaddress.ip_network(address)
            except ValueError as error:
                rule = "give addresses or networks as 10.0.0.0/8"
                raise InvalidInput("trusted-proxies", problem=str(error), rule=rule) from error
        if self.host and not (self.ingress_tls_secret or self.tls_secret or self.allow_plain_http):
            raise InvalidInput(
                "host",
                problem=f"passwords would cross the network to {self.host} in the clear",
                rule="name the certificate's Secret: --ingress-tls-secret, or allow it: --allow-plain-http",
            )
        if not self.host and (self.ingress_class or self.ingress_tls_secret or self.ingress_annotations):
            raise InvalidInput("host", problem="an Ingress has none", rule="give its host name: --host")


FIXED = (
    "data",
    "database",
    "engine",
    "keyring_command",
    "kubernetes_mirror_namespaces",
    "port",
    "tls_cert",
    "tls_key",
)
"""Settings that the documents say elsewhere too."""
MANAGED_BY = "app.kubernetes.io/managed-by"
INSTANCE = "app.kubernetes.io/instance"
MANAGER = "towline-install"
"""The field manager of what is installed, and the label by which it is found again."""


def _match(name: str, value: str, pattern: re.Pattern[str], *, rule: str) -> None:
    if not pattern.fullmatch(value):
        raise InvalidInput(name, problem=f"{value!r} is not legal", rule=rule)
