"""The causes that keep an image from being pulled (facts: distribution-spec; token and TLS protocols)."""

from __future__ import annotations

from towline.domain.cause import Cause, FindingCode, by_clock, by_person

_NEW_PASSWORD = "towline secret update {secret} --password-stdin"
_ASK_AGAIN = "towline secret verify {secret} --image {image}"
_RIGHTS = "towline preflight {image} --secret {secret}"

CREDENTIALS: dict[FindingCode, Cause] = {
    FindingCode.WRONG_CREDENTIALS: by_person(
        "The registry refused this username and password",
        "The registry, or the token server it names, answered 401 to this username and password.",
        "Correct the username and password in the secret; the deployment goes on by itself.",
        blame=True,
        likely=(
            "The password or access token was mistyped, or cut when it was copied.",
            "The access token was revoked or replaced at the registry.",
            "The username is of another form than this registry wants.",
        ),
        command=_NEW_PASSWORD,
    ),
    FindingCode.ACCESS_TOKEN_REQUIRED: by_person(
        "This registry wants an access token instead of the account's password",
        "The registry says that a password alone is not enough: two-factor or single sign-on is in force.",
        "Make an access token that may read the registry, and put it into the secret as the password.",
        blame=True,
        likely=("The account has two-factor authentication.", "The organization enforces single sign-on."),
        command=_NEW_PASSWORD,
    ),
    FindingCode.CREDENTIAL_EXPIRED: by_person(
        "The credential has expired",
        "The registry says, or the token itself shows, that it was valid once and is not any more.",
        "Make a new access token at the registry and put it into the secret.",
        blame=True,
        likely=(
            "The access token had an expiry date, which has passed.",
            "A short-lived cloud token was stored instead of a lasting credential.",
        ),
        command=_NEW_PASSWORD,
    ),
    FindingCode.ACCOUNT_DISABLED: by_person(
        "The account behind this login is disabled at the registry",
        "The registry knows the account, and says that it is disabled, suspended or blocked.",
        "Have the registry's administrator enable the account again, or put another login into the secret.",
        blame=True,
        likely=(
            "An administrator disabled the user, robot account or application.",
            "The account's subscription or organization has ended.",
        ),
        command=_NEW_PASSWORD,
    ),
    FindingCode.CREDENTIAL_INCOMPLETE: by_person(
        "The secret has no usable username and password",
        "A username or a password is missing, so there is nothing to send; an identity token is neither.",
        "Give the secret both a username and a password.",
        blame=True,
        command=_NEW_PASSWORD,
    ),
    FindingCode.SECRET_UNREADABLE: by_person(
        "The secret's stored value cannot be opened",
        "Its key is not in this server's keyring, or the stored value was changed; it was not sent anywhere.",
        "Put the server's keyring back in place, or enter the secret's value anew.",
        likely=(
            "The keyring was lost or replaced, or a database was restored without it.",
            "The key was destroyed in Vault.",
            "Somebody changed the stored value in the database.",
        ),
        command=_NEW_PASSWORD,
    ),
    FindingCode.KEYS_UNREACHABLE: by_clock(
        "The keys that open secrets cannot be asked now",
        "They are kept in Vault or OpenBao, which does not answer, is sealed or refuses this server.",
        "Bring Vault back, or renew what this server signs in with; all goes on by itself.",
        likely=(
            "Vault is down or sealed.",
            "The token or AppRole secret of this server has run out.",
        ),
        command="towline admin keys list",
    ),
    FindingCode.TOKEN_SCOPE_MISSING: by_person(
        "The access token is right, but was made without the right to read packages",
        "The registry knows the token and says that its scopes do not include pulling.",
        "Make a token with the scope for reading images, and put it into the secret.",
        blame=True,
        likely=("The token was made for the source code or the API, not for the registry.",),
        command=_NEW_PASSWORD,
    ),
    FindingCode.NO_PULL_PERMISSION: by_person(
        "The login works, but it may not pull this image",
        "The registry accepted the username and password and then refused the repository.",
        "Give this user read access to the repository, or name another secret in the package.",
        likely=(
            "The user is not a member of the repository's project or organization.",
            "A robot account or token was made for another repository.",
        ),
        command=_RIGHTS,
    ),
    FindingCode.SECRET_MISSING: by_person(
        "The secret that the package names does not exist",
        "No docker pull secret of that name or identifier is in this project.",
        "Create the secret under this name; the deployment goes on by itself.",
        likely=(
            "The secret was deleted or renamed.",
            "It is in another project.",
            "Its name is misspelt in the package.",
        ),
        command="towline secret create {secret} --registry {host} --username USER --password-stdin",
    ),
    FindingCode.SECRET_NEEDED: by_person(
        "The registry wants a login, and the package names no secret for this image",
        "The image cannot be pulled anonymously, and this executable has no pull secret.",
        "Name a docker pull secret of this project in the package's executable.",
        likely=(
            "The image is private.",
            "The repository's name is misspelt: many registries answer the same then.",
        ),
        command="towline preflight {image} --secret {secret}",
    ),
    FindingCode.SECRET_REGISTRY_MISMATCH: by_person(
        "The secret belongs to another registry than the image",
        "A credential is only ever sent to the registry it was stored for, so it was not used.",
        "Name a secret of the image's registry in the package, or correct the secret's registry.",
        likely=(
            "The image's name holds no registry, so Docker Hub is meant.",
            "The registry's port or path differs between secret and image.",
        ),
        command="towline secret list",
    ),
    FindingCode.LOGIN_BLOCKED: by_person(
        "The registry blocks logins after too many failed ones",
        "The registry refuses to look at the password for a while because of earlier failures.",
        "Wait until the block ends, make sure the password is right, then verify the secret again.",
        likely=("Another machine or job keeps trying an old password of this account.",),
        command="towline secret verify {secret}",
    ),
}

IMAGES: dict[FindingCode, Cause] = {
    FindingCode.REPOSITORY_NOT_FOUND_OR_HIDDEN: by_person(
        "There is no such repository, or this user may not see it",
        "Many registries answer the same for a repository that does not exist and one that is not allowed.",
        "Check the repository's spelling; if it is right, give this user read access to it.",
        likely=(
            "The repository's name is misspelt, or its project or organization is missing in the name.",
            "The repository is private and this user has no right to it.",
            "The image was never pushed there.",
        ),
        command=_RIGHTS,
    ),
    FindingCode.TAG_NOT_FOUND: by_person(
        "The repository is there, this tag is not",
        "The registry knows the repository and answered MANIFEST_UNKNOWN for the tag.",
        "Check the tag's spelling, or push the image under this tag.",
        likely=(
            "The tag is misspelt, or the build that pushes it has not finished.",
            "No tag was given, and the repository has no 'latest'.",
            "The registry's retention rules deleted it.",
        ),
    ),
    FindingCode.DIGEST_NOT_FOUND: by_person(
        "The repository is there, this digest is not",
        "The image was deleted or rebuilt, or the digest is of another repository.",
        "Take the digest from the registry anew, or name a tag.",
        likely=(
            "The image was rebuilt, and the registry removes untagged images.",
            "The digest belongs to another repository or registry.",
        ),
    ),
    FindingCode.PLATFORM_NOT_AVAILABLE: by_person(
        "The image does not exist for this engine's platform",
        "The image's index lists other platforms than the engine's.",
        "Build and push the image for the engine's platform, or deploy to another engine.",
        likely=("The image was built on a machine with another processor.",),
        command="docker buildx build --platform {platform} --push -t {image} .",
    ),
    FindingCode.MANIFEST_NOT_SUPPORTED: by_person(
        "What lies at this tag is not a container image that can be run",
        "The manifest is of a kind that no engine runs: an artifact, a very old schema, or malformed.",
        "Push a container image with an OCI or Docker schema 2 manifest.",
        likely=(
            "The tag holds a chart, a signature or another artifact.",
            "The image was pushed by a very old docker (schema 1).",
        ),
    ),
    FindingCode.IMAGE_BLOCKED_BY_POLICY: by_person(
        "The registry holds the image back because of its own rules",
        "The registry knows the image and the login, and its policy (a scan, a signature, quarantine) "
        "forbids pulling it.",
        "Look at the image's scan at the registry; mend the image, or have it allowed there.",
        likely=("A vulnerability scan found something.", "The image is not signed, or not scanned yet."),
    ),
    FindingCode.IMAGE_REFERENCE_INVALID: by_person(
        "The image's name is not a legal image reference",
        "No registry can be asked for it.",
        "Write it as [HOST[:PORT]/]PATH[:TAG].",
        command="towline image parse {image}",
    ),
    FindingCode.IMAGE_NOT_PRESENT: by_person(
        "The image is not on this engine, and the package forbids pulling it",
        "imagePullPolicy is Never and the engine does not hold the image.",
        "Use imagePullPolicy IfNotPresent or Always.",
    ),
    FindingCode.BLOB_UNAVAILABLE: by_clock(
        "The image's manifest is there, but its content cannot be fetched",
        "Layers are often stored on another host, which may be down, missing or behind a firewall.",
        "Check that this machine may reach the registry's storage, or push the image again.",
        likely=(
            "A firewall allows the registry's host, but not its storage's.",
            "The registry's clean-up removed a layer that is still named.",
        ),
    ),
    FindingCode.IMAGE_CORRUPT: by_clock(
        "What the registry sent is not what its digest promises",
        "The content's hash differs from the digest that names it, so it was thrown away.",
        "Push the image again; if it happens again, check the registry's storage and proxies.",
        likely=(
            "A proxy or cache in between changed or cut the answer.",
            "The registry's storage is damaged.",
        ),
    ),
    FindingCode.IMAGE_REFUSED: by_person(
        "The image's content is dangerous or broken and was not unpacked",
        "A layer tries to write outside the image, grows beyond all measure, or is not a valid archive.",
        "Rebuild the image from a source that you trust.",
    ),
    FindingCode.DISK_FULL: by_clock(
        "There is no room left on the disk",
        "Writing an image's layers, or the server's own records, failed because the disk is full.",
        "Free space on the disk of the engine, and of the server's data folder.",
    ),
}

REGISTRIES: dict[FindingCode, Cause] = {
    FindingCode.RATE_LIMITED: by_clock(
        "The registry limits how often it may be asked, and the limit is reached",
        "The registry answered 429. This says nothing about the credential.",
        "Wait for the limit's end, or use a login with a higher limit.",
        likely=(
            "Many pulls from this address without a login.",
            "The account's own limit is used up.",
        ),
    ),
    FindingCode.REQUEST_BLOCKED: by_person(
        "Something before the registry refuses requests from this machine",
        "The answer was 403 or 451 without a registry's error document: a firewall, allow-list or proxy.",
        "Have the address of the machine Towline runs on allowed at the registry's front.",
        likely=(
            "The registry allows only listed addresses or countries.",
            "A web application firewall or proxy stands in between.",
        ),
    ),
    FindingCode.REGISTRY_DNS: by_clock(
        "The registry's name does not resolve",
        "DNS has no address for the host on the machine that Towline runs on.",
        "Check the spelling of the registry's host, and the name server of the machine Towline runs on.",
        likely=(
            "The host is misspelt.",
            "The name is known only inside another network or VPN.",
            "The name server of the machine Towline runs on is down or cannot be reached.",
        ),
    ),
    FindingCode.REGISTRY_ADDRESS_REFUSED: by_person(
        "The registry's address is one that Towline does not connect to",
        "Link-local and metadata addresses are always refused, private and loopback ones by configuration.",
        "Use an address that the server's settings allow.",
    ),
    FindingCode.REGISTRY_REFUSED: by_clock(
        "Nothing listens at the registry's address",
        "The connection was refused.",
        "Check host and port, and that the registry is running.",
        likely=("The port is another one.", "The registry is stopped or restarting."),
    ),
    FindingCode.REGISTRY_UNREACHABLE: by_clock(
        "There is no way from here to the registry's address",
        "The operating system has no route to the host or its network.",
        "Check the network, VPN and routes of the machine Towline runs on.",
        likely=(
            "The registry is in a network that this machine is not part of.",
            "The name has only an IPv6 address and this machine has no IPv6.",
        ),
    ),
    FindingCode.REGISTRY_TIMEOUT: by_clock(
        "The registry did not answer in time",
        "The connection or the answer took longer than allowed: a firewall, or a very slow registry.",
        "Check that the machine Towline runs on may reach this host and port.",
        likely=("A firewall drops the packets without a word.", "The registry is overloaded."),
    ),
    FindingCode.REGISTRY_RESET: by_clock(
        "The registry closed the connection in the middle",
        "The connection was opened and then broken off.",
        "Look at the registry's or its proxy's log; Towline tries again by itself.",
    ),
    FindingCode.PROXY_ERROR: by_clock(
        "The proxy that is set for this registry does not let the request through",
        "The proxy answered with an error of its own, or cannot be reached; the registry was not asked.",
        "Correct the proxy in the registry's settings, or have the proxy allow this host.",
        likely=("The proxy wants a login.", "The proxy does not know or allow the registry's host."),
        command="towline registry set {host} --proxy URL",
    ),
    FindingCode.TLS_UNKNOWN_AUTHORITY: by_person(
        "The registry's certificate was issued by an authority that is not trusted here",
        "The certificate is self-signed or of a private authority.",
        "Set the authority's certificate: towline registry set HOST --ca FILE.",
        likely=(
            "The organization has a certificate authority of its own.",
            "The registry does not send its intermediate certificate.",
            "A proxy in between opens TLS connections.",
        ),
        command="towline registry set {host} --ca FILE",
    ),
    FindingCode.TLS_EXPIRED: by_clock(
        "The registry's certificate has expired or is not valid yet",
        "The certificate's dates do not include now.",
        "Renew the registry's certificate; if it is fresh, check this machine's clock.",
    ),
    FindingCode.TLS_WRONG_HOST: by_person(
        "The registry's certificate is for another name",
        "The host in the address is not among the names in the certificate.",
        "Use a name that the certificate holds, or have it reissued for this one.",
    ),
    FindingCode.TLS_UNFIT_CERTIFICATE: by_person(
        "The registry's certificate may not be used for a server like this",
        "It is not a question of trust: the certificate or one above it has a weak key or signature, was "
        "revoked, or was made for another purpose.",
        "Have the certificate reissued for a server (serverAuth), with a current key and signature.",
        likely=(
            "The certificate or its authority is years old: a short RSA key or a SHA-1 signature.",
            "A client's or another purpose's certificate was installed at the registry.",
        ),
    ),
    FindingCode.TLS_CLIENT_CERTIFICATE: by_person(
        "The registry wants a client certificate",
        "The server ended the connection because no client certificate was sent (mutual TLS).",
        "Let the registry's front accept this machine without a client certificate; "
        "Towline authenticates by username and password only.",
    ),
    FindingCode.TLS_HANDSHAKE: by_person(
        "The registry and this machine find no common way to speak TLS",
        "The handshake failed before any certificate could be checked: versions or ciphers do not meet.",
        "Let the registry speak TLS 1.2 or later with current ciphers.",
        likely=("The registry's front is very old.", "The front does not know this host name (SNI)."),
    ),
    FindingCode.PLAIN_HTTP_REGISTRY: by_person(
        "The registry speaks plain HTTP, and the secret does not allow that",
        "The server at this address does not speak TLS. Passwords are not sent in the clear unasked.",
        "Turn on TLS at the registry, or declare http:// in the secret's registry URL.",
        command="towline registry set {host} --plain-http",
    ),
    FindingCode.HTTPS_ON_HTTP_PORT: by_person(
        "The registry speaks HTTPS, and the address says http://",
        "The server answered that plain HTTP was sent to a TLS port.",
        "Write the registry's address with https:// or without a scheme.",
    ),
    FindingCode.NOT_A_REGISTRY: by_person(
        "Something answers at this address, but it is not a registry",
        "GET /v2/ was not answered as the distribution specification asks: a web page, another port or path.",
        "Check host and port: a registry's address is often not that of its web pages.",
        likely=(
            "The address is that of the registry's web pages.",
            "A login page of a network or proxy answers instead.",
        ),
    ),
    FindingCode.REALM_REFUSED: by_person(
        "The registry sends logins to a foreign server",
        "The challenge names a token server on another domain, perhaps to take the password.",
        "If that server is right, allow it: towline registry set HOST --realm-host OTHER.",
        command="towline registry set {host} --realm-host OTHER",
    ),
    FindingCode.REDIRECT_REFUSED: by_person(
        "The registry redirects where it must not",
        "Token and manifest requests follow no redirects, as a credential could be led elsewhere.",
        "Use the registry's own address, without a redirecting front.",
    ),
    FindingCode.REGISTRY_ERROR: by_clock(
        "The registry itself is in trouble",
        "The registry answered with a server error or something that the specification does not know.",
        "Look at the registry's status or log; Towline tries again by itself.",
    ),
    FindingCode.TOKEN_SERVER_ERROR: by_clock(
        "The registry's token server is in trouble",
        "The server that hands out tokens answered with an error, or with something that is no token.",
        "Look at the token server's status or log; Towline tries again by itself.",
        likely=("The registry's configuration names a token server that is wrong or down.",),
    ),
    FindingCode.TOKEN_NOT_ACCEPTED: by_clock(
        "The registry does not accept the token that its own token server gave out",
        "Issuer, key or clock of registry and token server do not fit; the password is not to blame.",
        "The registry's administrator must align the registry's and the token server's settings.",
        likely=("Issuer, audience or signing key differ between the two.",),
    ),
    FindingCode.CLOCK_SKEW: by_clock(
        "The clocks of the registry and its token server differ too much",
        "A fresh token was refused as expired or not valid yet.",
        "Set the clocks of the registry, the token server and this machine.",
    ),
}
