"""Which credential a reader uses for an image: a generator that asks for helpers' answers on its way.

A reader that ends in an error, or goes by chance, is told as it is: in the reasons, with no credential where
none can be relied upon.
"""

from __future__ import annotations

from collections.abc import Generator, Sequence

from towline.domain.credential import Password
from towline.domain.image import ImageReference
from towline.domain.readers.answers import (
    IDENTITY_USER,
    HelperAnswer,
    HelperQuestion,
    Kind,
    Resolution,
    Resolving,
)
from towline.domain.readers.auth_value import BadAuth, Decoding, decoded, oddities
from towline.domain.readers.config_file import ConfigFile, Entry, Form, Source, read_config
from towline.domain.readers.keys import Match, exact_key
from towline.domain.readers.missing import why_none
from towline.domain.readers.rules import RULES, Reader, Rules, Spoils, Unnamed

Found = tuple[Kind, str, Password]


def resolving(
    reader: Reader, image: ImageReference, sources: Sequence[Source], *, found_store: str = ""
) -> Resolving:
    """Return what ``reader`` uses for ``image``; raise InvalidInput for a source that cannot be read.

    ``found_store`` is the suffix of the helper that the machine offers to a docker without any credentials.
    """
    search = _Search(reader, image, found_store)
    if search.rules.tries_all:
        return search.joined(sources)
    for source in sources:
        found = yield from search.within(source)
        if found is not None:
            return found
    return search.nothing()


class _Search:
    """One question; ``reasons`` grows as the rules are walked."""

    def __init__(self, reader: Reader, image: ImageReference, found_store: str) -> None:
        self.rules: Rules = RULES[reader]
        self._reader = reader
        self._image = image
        self._found_store = found_store
        self._reasons: list[str] = []

    def nothing(self) -> Resolution:
        """Return that no source has anything: an anonymous pull."""
        self._reasons.append(f"{self.rules.title} pulls without any credential")
        return Resolution(str(self._image), self._reader, reasons=tuple(self._reasons))

    def within(self, source: Source) -> Generator[HelperQuestion, HelperAnswer, Resolution | None]:
        """Return what one source decides; None where the next one is looked at."""
        if not self._reads(source):
            return None
        if source.form is Form.VARIABLE:
            return self._in_variable(source)
        file = self._read(source)
        spoilt = self._spoilt(file)
        if spoilt is not None and not self.rules.forgives_helpers:
            return spoilt
        server = self.rules.helper_key(self._image)
        helper = self._helper(file, server)
        if helper is not None:
            answer = yield HelperQuestion(helper, server)
            found = self._of_helper(file, helper, server, answer)
            if found is not None:
                return found
        return spoilt or self._in_entries(file)

    def joined(self, sources: Sequence[Source]) -> Resolution:
        """Return the first of all credentials that fit, of all sources together, and name the others."""
        files = [self._read(source) for source in sources if self._reads(source)]
        for file in files:
            if (failed := self._spoilt(file)) is not None:
                return failed
        matches = self._fitting(files)
        tried = [(file, match, self._credential(file.auths[match.key])) for file, match in matches]
        some = [each for each in tried if each[2][0] is not Kind.NONE]
        if not some:
            self._say_empty(tried)
            for file in files:
                self._helper(file, self.rules.helper_key(self._image))
                self._say_near(file)
            return self.nothing()
        (file, match, found), *more = some
        self._say(file.source, match.rule)
        for other, again, (_, username, _) in more:
            self._say(other.source, f"if that is refused, the key {again.key!r}, user {username!r}, is tried")
        return self._resolved(file, match, found)

    def _reads(self, source: Source) -> bool:
        if source.form in self.rules.forms:
            return True
        self._say(source, f"{self.rules.title} does not read {source.form.value}")
        return False

    def _read(self, source: Source) -> ConfigFile:
        file = read_config(source)
        for note in file.notes:
            self._say(source, note)
        return file

    def _fitting(self, files: Sequence[ConfigFile]) -> list[tuple[ConfigFile, Match]]:
        """Return the keys of all files that fit, in the order in which they are tried."""
        order = self.rules.keys([key for file in files for key in file.auths], self._image)
        unique = {match.key: match for match in order}
        return [(file, match) for match in unique.values() for file in files if match.key in file.auths]

    def _in_variable(self, source: Source) -> Resolution | None:
        """Look into DOCKER_AUTH_CONFIG, which is taken as a whole or not at all, by the exact key alone."""
        file = self._read(source)
        for key, entry in file.auths.items():
            problem = _problem_of(entry, self.rules.decoding) or ("" if entry.auth else "has no auth")
            if problem or entry.has_more:
                problem = problem or "has other members than auth"
                self._say(source, f"docker ignores all of it, as its entry {key[:80]!a} {problem}")
                return None
        if file.has_more:
            self._say(source, "docker ignores all of it, as it holds other members than auths")
            return None
        self._say(source, "docker reads this variable from version 28.3 on")
        for match in exact_key(file.auths, self._image):
            self._say(source, match.rule)
            return self._resolved(file, match, self._credential(file.auths[match.key]))
        self._say(source, "it has no such key; the files are looked at")
        return None

    def _helper(self, file: ConfigFile, server: str) -> str | None:
        """Return the suffix of the helper that is responsible for ``server``; None for none."""
        if self.rules.per_host_helpers and server in file.helpers:
            suffix, unnamed = file.helpers[server], self.rules.unnamed_helper
            self._say(file.source, f"credHelpers names {suffix[:60]!a} for {server}")
            if not suffix:
                self._say(file.source, f"{self.rules.title}: {unnamed.value}")
            if suffix or unnamed is Unnamed.IS_ASKED:
                return suffix
            if unnamed is Unnamed.NO_HELPER:
                return None
        if self.rules.store and file.store:
            self._say(file.source, f"credsStore names {file.store[:60]!a} for all registries")
            return file.store
        if self.rules.finds_store and self._found_store and not (file.auths or file.helpers or file.store):
            self._say(file.source, f"it holds nothing, so the machine's own {self._found_store!r} is asked")
            return self._found_store
        if file.store and not self.rules.store:
            self._say(file.source, f"{self.rules.title} does not look at credsStore")
        if file.helpers and not self.rules.per_host_helpers:
            self._say(file.source, f"{self.rules.title} does not look at credHelpers")
        return None

    def _of_helper(
        self, file: ConfigFile, helper: str, server: str, answer: HelperAnswer
    ) -> Resolution | None:
        """Return what a helper's answer means; None where the entries of the file are looked at after all."""
        name = f"docker-credential-{helper[:60]}"
        if answer.problem:
            self._reasons.append(f"{name}: {answer.problem}")
            if self.rules.forgives_helpers:
                self._say(file.source, "as the helper failed, docker takes what the file itself says")
                return None
            return self._failed("the pull fails with an error")
        if self.rules.forgives_helpers and (kept := self._token_beside(file)) is not None:
            return kept
        if not answer.username and not answer.secret:
            self._reasons.append(f"{name} knows no login for {server}; auths is not looked at then")
            return self.nothing()
        self._reasons.append(f"{name} has a login for {server}")
        is_token = answer.username == IDENTITY_USER
        return Resolution(
            str(self._image),
            self._reader,
            source=f"{file.source.name} ({name})",
            key=server,
            kind=Kind.IDENTITY_TOKEN if is_token else Kind.PASSWORD,
            username="" if is_token else answer.username,
            secret=answer.secret,
            reasons=(*self._reasons, *oddities(answer.secret, answer.secret)),
        )

    def _token_beside(self, file: ConfigFile) -> Resolution | None:
        """Return the finished token that the file has: docker sends it along whatever the helper says."""
        for match in self.rules.keys(file.auths, self._image)[:1]:
            entry = file.auths[match.key]
            if entry.registry_token:
                self._say(file.source, "the registrytoken of the file is sent along, and wins")
                return self._resolved(file, match, (Kind.REGISTRY_TOKEN, "", entry.registry_token))
        return None

    def _in_entries(self, file: ConfigFile) -> Resolution | None:
        is_flat = file.source.form is Form.DOCKERCFG
        keys = self.rules.flat_keys if is_flat and self.rules.flat_keys else self.rules.keys
        matches = keys(file.auths, self._image)
        if not matches:
            self._say_near(file)
            return None
        if len(matches) > 1:
            names = " and ".join(repr(match.key) for match in matches)
            self._say(file.source, f"{names} fit alike; {self.rules.title} takes one of them by chance")
        match = matches[0]
        self._say(file.source, match.rule)
        try:
            found = self._credential(file.auths[match.key])
        except BadAuth as error:
            if self.rules.skips_no_colon and error.lacks_colon:
                self._say(file.source, f"its auth {error.problem}, so the entry counts as absent")
                return None
            self._say(file.source, f"its auth {error.problem}")
            return self._failed(self.rules.undecodable.value)
        if found[0] is Kind.NONE:
            self._say_empty([(file, match, found)])
            return None
        return self._resolved(file, match, found)

    def _credential(self, entry: Entry) -> Found:
        """Return what an entry holds for this reader; raise BadAuth."""
        reads = self.rules.members
        username = entry.username if "username" in reads else ""
        password = entry.password if "password" in reads else Password("")
        if entry.auth:
            username, password = decoded(entry.auth, self.rules.decoding)
        if entry.registry_token and "registrytoken" in reads:
            return Kind.REGISTRY_TOKEN, username, entry.registry_token
        if (
            entry.identity_token
            and "identitytoken" in reads
            and (entry.auth or not self.rules.skips_no_colon)
        ):
            return Kind.IDENTITY_TOKEN, username, entry.identity_token
        if username or password:
            return Kind.PASSWORD, username, password
        return Kind.NONE, "", Password("")

    def _resolved(self, file: ConfigFile, match: Match, found: Found) -> Resolution:
        kind, username, secret = found
        entry = file.auths[match.key]
        return Resolution(
            str(self._image),
            self._reader,
            source=file.source.name,
            key=match.key,
            kind=kind,
            username=username,
            secret=secret,
            reasons=(*self._reasons, *_what_counts(entry, self.rules, kind), *oddities(entry.auth, secret)),
        )

    def _spoilt(self, file: ConfigFile) -> Resolution | None:
        """Return the end where one bad entry spoils the others; None where this reader can go on."""
        if not file.source.text.strip() and not self.rules.reads_empty:
            return self._failed(f"{file.source.name}: {self.rules.title} takes an empty file for an error")
        for key, entry in file.auths.items():
            spoils = self.rules.misshapen if entry.problem else self.rules.undecodable
            problem = entry.problem or _problem_of(entry, self.rules.decoding)
            if problem and spoils is not Spoils.ITSELF:
                self._say(file.source, f"the entry {key[:80]!a} {problem}")
                return self._failed(f"{self.rules.title}: {spoils.value}")
        return None

    def _failed(self, why: str) -> Resolution:
        return Resolution(str(self._image), self._reader, reasons=(*self._reasons, why))

    def _say(self, source: Source, text: str) -> None:
        self._reasons.append(f"{source.name}: {text}")

    def _say_near(self, file: ConfigFile) -> None:
        for reason in why_none(file, self._image, self.rules):
            self._say(file.source, reason)

    def _say_empty(self, tried: Sequence[tuple[ConfigFile, Match, Found]]) -> None:
        for file, match, _ in tried:
            entry = file.auths[match.key]
            held = [
                name
                for name, value in (("identitytoken", entry.identity_token), ("password", entry.password))
                if value
            ]
            if held:
                self._say(file.source, f"{self.rules.title} does not read {held[0]} of the key {match.key!r}")
            else:
                self._say(file.source, f"the key {match.key!r} is there but holds nothing")


def _problem_of(entry: Entry, decoding: Decoding) -> str:
    if entry.problem or not entry.auth:
        return entry.problem
    try:
        decoded(entry.auth, decoding)
    except BadAuth as error:
        return f"has an auth that {error.problem}"
    return ""


def _what_counts(entry: Entry, rules: Rules, kind: Kind) -> tuple[str, ...]:
    """Tell which member of an entry is used where several are there."""
    said = []
    if kind is Kind.REGISTRY_TOKEN:
        said.append("registrytoken is a finished token that is sent as it is; it lives for minutes")
    if kind is Kind.IDENTITY_TOKEN:
        said.append("identitytoken is exchanged at the token server; it stands in for the password")
    if kind is Kind.PASSWORD and entry.auth and (entry.username or entry.password):
        said.append("auth wins over username and password beside it")
    if kind is Kind.PASSWORD and not entry.auth:
        said.append("username and password stand there as they are")
    if entry.identity_token and "identitytoken" not in rules.members:
        said.append(f"{rules.title} does not read identitytoken")
    if entry.registry_token and "registrytoken" not in rules.members:
        said.append(f"{rules.title} does not read registrytoken")
    return tuple(said)
