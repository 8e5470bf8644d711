"""The server's settings: one frozen value from flags, environment and file, in that order.

This is the only reader of the environment in the server (the command line reads its own few
variables). Every setting is described here once; the reference page is generated from this file.
"""

from __future__ import annotations

import hashlib
import ipaddress
import os
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass, field, fields, replace
from pathlib import Path
from typing import Any, Literal, get_type_hints

import msgspec

from towline.domain.credential import Password
from towline.domain.errors import InvalidInput
from towline.store.address import DatabaseAddress, configured_address

PREFIX = "TOWLINE_"
FILE_NAME = "towline.toml"
_SAFE_FOR_KEYS = ("https://", "http://127.0.0.1:", "http://localhost:", "http://[::1]:")
DOCKER_SOCKET = "unix:///var/run/docker.sock"


def _setting(default: Any, text: str) -> Any:  # noqa: ANN401  (the field's own type is checked by msgspec)
    return field(default=default, metadata={"help": text})


@dataclass(frozen=True, slots=True, kw_only=True)
class Config:
    """All settings of ``towline serve``."""

    data: str = _setting("", "folder for database, keys, images and logs")
    host: str = _setting("127.0.0.1", "address to listen on")
    port: int = _setting(8420, "port to listen on; 0 takes a free one")
    tls_cert: str = _setting("", "certificate chain, PEM file; turns HTTPS on together with tls_key")
    tls_key: str = _setting("", "private key of the certificate, PEM file")
    allow_plain_http: bool = _setting(
        default=False, text="listen on an address other than loopback although there is no TLS"
    )
    trusted_proxies: tuple[str, ...] = _setting(
        (), "addresses of proxies whose X-Forwarded-For and X-Forwarded-Proto are believed"
    )
    engine: Literal["", "embedded", "docker", "swarm", "kubernetes"] = _setting(
        "",
        "what runs containers; empty keeps what this installation has"
        " (at first start: docker where docker_host answers, else embedded)",
    )
    docker_host: str = _setting(
        "",
        "the Docker Engine, unix:///path or tcp://host:port; empty takes DOCKER_HOST, else Docker's socket",
    )
    docker_cert_path: str = _setting(
        "",
        "folder of ca.pem, cert.pem and key.pem for a tcp:// Engine;"
        " empty takes DOCKER_CERT_PATH where DOCKER_TLS_VERIFY is set",
    )
    docker_network: str = _setting(
        "",
        "network of containers on an Engine or swarm: host, none or a name; empty takes bridge, else host",
    )
    kubernetes_kubeconfig: str = _setting(
        "", "kubeconfig of the cluster; empty takes the cluster that Towline runs in, else kubectl's own file"
    )
    kubernetes_context: str = _setting("", "context of the kubeconfig; empty takes its current one")
    kubernetes_namespace_prefix: str = _setting(
        "towline-", "what the namespaces of projects begin with; the project's guid follows"
    )
    kubernetes_namespace: str = _setting(
        "", "one namespace for all projects, where Towline may not make any; empty makes one for each"
    )
    kubernetes_project_namespaces: tuple[str, ...] = _setting(
        (),
        "projects whose packages run in a namespace that is there already, as GUID=NAMESPACE;"
        " beside kubernetes_namespace nothing outside these namespaces is asked for",
    )
    kubernetes_mirror_namespaces: tuple[str, ...] = _setting(
        (),
        "namespaces into which projects may mirror pull secrets, as names of which the end may be *;"
        " those of the system (kube-...) must be named as such; ENGINE/NAME for the cluster of an engine"
        " that was added; empty allows none",
    )
    kubernetes_platform: str = _setting(
        "linux/amd64", "what the cluster's nodes run: images are proved and pinned for it"
    )
    database: str = _setting(
        "",
        "PostgreSQL as postgresql://user@host:5432/name; empty keeps SQLite in the data folder."
        " A password stands in the environment or in database_password_file, never in a flag",
    )
    database_listen: str = _setting(
        "",
        "PostgreSQL's own address where database is that of a pooler which gives a connection for one"
        " transaction only (PgBouncer, pool_mode=transaction); the password is the same unless it has one",
    )
    database_password_file: str = _setting("", "file that holds the password of the database's user")
    database_connections: int = _setting(8, "connections for reading PostgreSQL, besides one that writes")
    keyring_command: tuple[str, ...] = _setting(
        (), "program and arguments that print the keyring; empty keeps it in a file in the data folder"
    )
    vault_address: str = _setting(
        "", "https://HOST:PORT of a Vault or OpenBao whose transit engine wraps the keys of secrets"
    )
    vault_key: str = _setting("towline", "name of the key in the transit engine")
    vault_mount: str = _setting("transit", "where the transit engine is mounted")
    vault_namespace: str = _setting("", "namespace that engine and login are in")
    vault_ca: str = _setting("", "certificate authority of Vault, PEM file; empty trusts the system's")
    vault_token_file: str = _setting(
        "", "file that holds a token, read again when Vault refuses it; empty takes VAULT_TOKEN"
    )
    vault_role_id: str = _setting("", "role id of an AppRole to sign in by, instead of a token")
    vault_secret_id_file: str = _setting("", "file that holds the AppRole's secret id")
    vault_approle_mount: str = _setting("approle", "where the AppRole login is mounted")
    vault_only_opens: bool = _setting(
        default=False, text="open what Vault sealed and seal by the keyring: the way back from Vault"
    )
    audit_retention: int = _setting(
        0,
        "days that rows of the audit trail are kept; older ones are pruned, a signed statement in their"
        " place; 0 keeps all",
    )
    audit_file: str = _setting("", "file that every row of the audit trail is appended to, as a line of JSON")
    audit_syslog: str = _setting(
        "", "log server that every row is sent to: unix:///dev/log, udp://HOST, tcp://HOST or tls://HOST"
    )
    audit_syslog_ca: str = _setting("", "certificate authority of the log server, PEM file")
    audit_webhook: str = _setting("", "https://HOST/PATH that rows are posted to, as lines of JSON")
    audit_webhook_token_file: str = _setting("", "file that holds the bearer token for audit_webhook")
    audit_anchor: str = _setting(
        "",
        "file that each signed statement about the audit trail is appended to; keep it out of reach of"
        " whoever can change the database",
    )
    deny_private_registries: bool = _setting(
        default=False, text="refuse registries on private addresses (10/8, 172.16/12, 192.168/16, fc00::/7)"
    )
    loopback_registries: Literal["", "allow", "deny"] = _setting(
        "", "registries on loopback; empty allows them only while Towline itself is bound to loopback"
    )
    smtp_host: str = _setting("", "mail server for webhooks to mailto: addresses; empty sends no e-mail")
    smtp_port: int = _setting(587, "port of the mail server")
    smtp_security: Literal["starttls", "tls", "none"] = _setting(
        "starttls", "how the connection to the mail server is protected"
    )
    smtp_username: str = _setting("", "user name at the mail server; empty sends no login")
    smtp_password_file: str = _setting("", "file that holds the password at the mail server")
    smtp_from: str = _setting("towline@localhost", "sender of e-mails")
    public_url: str = _setting(
        "",
        "where browsers reach this server, for sign-in and links; empty takes what the browser used;"
        " https:// marks cookies as such",
    )
    oidc_issuer: str = _setting("", "OpenID provider to sign in with, as https://id.example.com; empty: none")
    oidc_client_id: str = _setting("", "what this server is called at the OpenID provider")
    oidc_client_secret_file: str = _setting("", "file that holds the client's secret; empty: a public client")
    oidc_name: str = _setting("", "what people call the provider; empty takes its host name")
    oidc_groups_claim: str = _setting("groups", "the claim that holds somebody's groups at the provider")
    oidc_scopes: str = _setting("openid email profile", "scopes that the provider is asked for")
    oidc_ca_file: str = _setting(
        "", "certificates that the provider's is checked by; empty takes the system's"
    )
    oidc_trust_addresses: bool = _setting(
        default=False, text="take the provider's addresses for verified though it does not say so"
    )
    no_password_sign_in: bool = _setting(
        default=False, text="let people in through the OpenID provider alone, but for break_glass"
    )
    break_glass: tuple[str, ...] = _setting(
        (), "addresses that may use their passwords all the same, for the day on which the provider is away"
    )
    requests_per_address: int = _setting(
        500, "requests a second from one address, four seconds' worth at once; 0 for any number"
    )
    requests_per_token: int = _setting(
        500, "requests a second with one token, four seconds' worth at once; 0 for any number"
    )
    login_failures: int = _setting(
        10,
        "failed logins to one account from one address in five minutes; five times as many to all accounts",
    )
    body_bytes: int = _setting(2 << 20, "largest body of a request; an operation may take less")
    drain_notice_seconds: int = _setting(
        0,
        "how long new requests are still answered once the server is told to end, while /readyz says so"
        " to load balancers; a second SIGTERM ends that",
    )
    drain_seconds: int = _setting(
        10, "how long requests under way may take once the server is told to end (SIGTERM)"
    )
    retention_deployments: int = _setting(
        30, "days that an ended deployment is kept; its name is free at once"
    )
    retention_events: int = _setting(90, "days that events are kept, with their deliveries")
    retention_events_most: int = _setting(10_000, "most events of one project that are kept")
    retention_proofs: int = _setting(90, "days that proofs are kept; the newest of each image always is")
    log_level: Literal["debug", "info", "warning", "error"] = _setting("info", "least level of log lines")
    log_format: Literal["json", "text"] = _setting("json", "form of log lines, on standard error")
    keyring: Password | None = field(default=None, repr=False)
    postgresql: DatabaseAddress | None = None
    vault_token: Password | None = field(default=None, repr=False)

    @property
    def folder(self) -> Path:
        """Return the data folder, absolute."""
        return Path(self.data).expanduser().absolute()

    @property
    def run_folder(self) -> Path:
        """Where sockets and the runtime's state live: gone after a reboot, one per data folder."""
        name = hashlib.sha256(str(self.folder).encode()).hexdigest()[:12]
        return Path("/run/towline" if os.geteuid() == 0 else self.folder / "run") / name

    @property
    def is_loopback(self) -> bool:
        """Whether only this machine can reach the server."""
        if self.host == "localhost":
            return True
        try:
            return ipaddress.ip_address(self.host).is_loopback
        except ValueError:
            return False

    @property
    def allows_loopback_registries(self) -> bool:
        """Whether registries on loopback addresses may be asked."""
        return self.loopback_registries == "allow" or (not self.loopback_registries and self.is_loopback)

    def takes_password_of(self, email: str) -> bool:
        """Whether somebody may sign in with a password."""
        return not self.no_password_sign_in or email.casefold() in map(str.casefold, self.break_glass)

    @property
    def scheme(self) -> str:
        """``https`` where a certificate is set."""
        return "https" if self.tls_cert else "http"


def load(flags: Mapping[str, object], environment: Mapping[str, str] | None = None) -> Config:
    """Return the settings: ``flags`` that are not None, then ``TOWLINE_*``, then the file, then defaults.

    Raises InvalidInput naming the setting, where it came from and what would be right.
    """
    environment = os.environ if environment is None else environment
    given = {name: value for name, value in flags.items() if value is not None and name != "config"}
    from_environment = _from_environment(environment)
    data = str(given.get("data") or from_environment.get("data") or _default_data(environment))
    from_file = _from_file(flags.get("config"), Path(data).expanduser())
    merged = {**_of_docker(environment), **from_file, **from_environment, **given, "data": data}
    address = configured_address(merged, flags=given)
    merged["database"] = address.url if address else ""
    merged["database_listen"] = address.direct.url if address and address.direct else ""
    keyring, token = environment.get(f"{PREFIX}KEYRING"), environment.get("VAULT_TOKEN")
    config = replace(_convert(merged, keyring=keyring, vault_token=token), postgresql=address)
    _check(config)
    return config


def settings() -> tuple[tuple[str, str, object, str], ...]:
    """Return (name, environment variable, default, help) of every setting, for flags and docs."""
    return tuple(
        (each.name, PREFIX + each.name.upper(), each.default, str(each.metadata["help"]))
        for each in fields(Config)
        if "help" in each.metadata
    )


def _from_environment(environment: Mapping[str, str]) -> dict[str, object]:
    found: dict[str, object] = {}
    for name, variable, default, _ in settings():
        if text := environment.get(variable):
            found[name] = tuple(text.split()) if isinstance(default, tuple) else text
    return found


def _of_docker(environment: Mapping[str, str]) -> dict[str, object]:
    """Return what Docker's own variables say, which every client of it obeys."""
    found: dict[str, object] = {"docker_host": environment.get("DOCKER_HOST") or DOCKER_SOCKET}
    if environment.get("DOCKER_TLS_VERIFY"):
        home = environment.get("HOME", "~")
        found["docker_cert_path"] = environment.get("DOCKER_CERT_PATH") or str(Path(home) / ".docker")
    return found


def _from_file(named: object, data: Path) -> dict[str, object]:
    path = Path(str(named)) if named else data / FILE_NAME
    try:
        content = path.read_bytes()
    except FileNotFoundError as error:
        if named:
            raise InvalidInput("config", problem=f"{path} does not exist", rule="name a TOML file") from error
        return {}
    try:
        return tomllib.loads(content.decode())
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise InvalidInput("config", problem=f"{path}: {error}", rule="write it as TOML") from error


def _default_data(environment: Mapping[str, str]) -> str:
    if os.geteuid() == 0:
        return "/var/lib/towline"
    home = environment.get("XDG_DATA_HOME") or str(Path(environment.get("HOME", "~")) / ".local/share")
    return str(Path(home) / "towline")


def _convert(merged: dict[str, object], *, keyring: str | None, vault_token: str | None) -> Config:
    known = {name for name, *_ in settings()}
    if unknown := sorted(merged.keys() - known):
        raise InvalidInput(
            unknown[0], problem="is not a setting", rule=f"use one of {', '.join(sorted(known))}"
        )
    values: dict[str, Any] = {}
    for each in fields(Config):
        if each.name not in merged:
            continue
        try:
            values[each.name] = msgspec.convert(merged[each.name], _TYPES[each.name], strict=False)
        except msgspec.ValidationError as error:
            help_text = str(each.metadata["help"])
            raise InvalidInput(each.name, problem=str(error), rule=help_text) from error
    return Config(
        **values,
        keyring=Password(keyring) if keyring else None,
        vault_token=Password(vault_token) if vault_token else None,
    )


def _check(config: Config) -> None:
    if bool(config.tls_cert) != bool(config.tls_key):
        raise InvalidInput(
            "tls_cert", problem="comes without tls_key, or the other way round", rule="give both"
        )
    for name in ("tls_cert", "tls_key"):
        path = getattr(config, name)
        if path and not Path(path).is_file():
            raise InvalidInput(name, problem=f"{path} is not a file", rule="name a PEM file")
    if not 1 <= config.database_connections <= 100:
        raise InvalidInput(
            "database_connections",
            problem=f"{config.database_connections} will not do",
            rule="use 1 to 100",
        )
    for name, least in _LEAST.items():
        if getattr(config, name) < least:
            raise InvalidInput(
                name, problem=f"{getattr(config, name)} is too small", rule=f"use {least} or more"
            )
    _check_provider(config)
    if config.vault_address and not config.vault_address.startswith(_SAFE_FOR_KEYS):
        raise InvalidInput(
            "vault_address",
            problem=f"is {config.vault_address[:80]!a}",
            rule="give https://HOST:PORT; plain HTTP is for a Vault on 127.0.0.1 alone",
        )
    if not 0 <= config.port <= 65535:
        raise InvalidInput("port", problem=f"{config.port} does not exist", rule="use 0 to 65535")
    protected = config.is_loopback or config.tls_cert or config.trusted_proxies or config.allow_plain_http
    if not protected:
        raise InvalidInput(
            "host",
            problem=f"{config.host} would carry passwords over the network in the clear",
            rule="give --tls-cert and --tls-key, --trusted-proxies, or allow it by name: --allow-plain-http",
        )


_LEAST = {
    "requests_per_address": 0, "requests_per_token": 0, "login_failures": 1, "body_bytes": 1024,
    "drain_notice_seconds": 0, "drain_seconds": 0, "audit_retention": 0, "retention_deployments": 1,
    "retention_events": 1, "retention_events_most": 1, "retention_proofs": 1,
}  # fmt: skip


def _check_provider(config: Config) -> None:
    if config.oidc_issuer and not config.oidc_client_id:
        raise InvalidInput("oidc_client_id", problem="is empty", rule="the OpenID provider knows us by it")
    if config.no_password_sign_in and not config.oidc_issuer:
        raise InvalidInput("no_password_sign_in", problem="leaves no way in", rule="give --oidc-issuer, too")


_TYPES: Mapping[str, Any] = get_type_hints(Config)
