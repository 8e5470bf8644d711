"""The causes that keep a registry's login from being minted (facts: each provider's documentation)."""

from __future__ import annotations

from towline.domain.cause import Cause, FindingCode, by_clock, by_person

_NEW_KEY = "towline secret update {secret} --mint-key-file FILE"
_AGAIN = "towline secret verify {secret}"

MINTING: dict[FindingCode, Cause] = {
    FindingCode.MINT_KEY_MALFORMED: by_person(
        "The parent credential cannot be read, so no login can be minted from it",
        "It is not the file that this kind of minting wants, or its private key is damaged.",
        "Put the whole file into the secret, as the provider gave it out.",
        blame=True,
        likely=("The file was cut or changed when it was copied.", "It is another kind of key."),
        command=_NEW_KEY,
    ),
    FindingCode.MINT_CREDENTIAL_REFUSED: by_person(
        "The provider refused the parent credential, so no login can be minted from it",
        "The key, service account or app is unknown there, was disabled or deleted, or has expired.",
        "Make a new key at the provider and put it into the secret; minting goes on by itself.",
        blame=True,
        likely=(
            "The key was deactivated, rotated or has expired.",
            "The service account, principal or app was deleted.",
            "Key and secret are not of the same pair.",
        ),
        command=_NEW_KEY,
    ),
    FindingCode.MINT_NOT_ALLOWED: by_person(
        "The parent credential is good, but may not mint a login for this registry",
        "The provider knows who asks, and says that the right to ask for a registry's token is missing.",
        "Give it that right at the provider, then verify the secret again.",
        blame=True,
        likely=("Its policy or role does not include reading from the registry.",),
        command=_AGAIN,
    ),
    FindingCode.MINT_CLOCK_SKEW: by_person(
        "The clock of this machine is wrong, so the provider refuses what it signs",
        "Requests are signed with the time; the provider says that it is too far from its own.",
        "Set the clock of the machine that Towline runs on (NTP), then verify the secret again.",
        likely=("The machine slept, or has no time server.",),
        command=_AGAIN,
    ),
    FindingCode.MINT_TARGET_UNKNOWN: by_person(
        "What the secret says about where to mint is not known there",
        "The provider does not know the tenant, installation, role, scope or region that the secret names.",
        "Correct the secret's minting settings.",
        blame=True,
        likely=("An identifier is misspelt or of another account.", "The app was uninstalled."),
        command="towline secret show {secret}",
    ),
    FindingCode.MINT_UNREACHABLE: by_clock(
        "The provider's token endpoint cannot be reached, so no login can be minted now",
        "No answer came from where registries' tokens are asked for. This says nothing about the credential.",
        "Let the machine that Towline runs on reach this host, or set another endpoint in the secret.",
        likely=("A firewall or proxy stands in between.", "The region or endpoint is misspelt."),
        command=_AGAIN,
    ),
    FindingCode.MINT_ERROR: by_clock(
        "The provider's token endpoint is in trouble, so no login can be minted now",
        "It answered with an error of its own, with a limit, or with something that is no token.",
        "Look at the provider's status; Towline tries again by itself.",
        likely=("The provider limits how often it may be asked.", "The endpoint is not the provider's."),
        command=_AGAIN,
    ),
}
