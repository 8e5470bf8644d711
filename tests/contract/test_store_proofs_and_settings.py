import pytest
from store_samples import ALPHA, BETA, later, pull_secret

from towline.domain.causes import FindingCode
from towline.domain.findings import Exchange, Finding
from towline.domain.proof import Answer, Platform, Proof, PulledImage, Verdict
from towline.domain.registry import RegistrySettings

SECRET, OTHER = pull_secret("pull"), pull_secret("other")
IMAGE = PulledImage(
    "sha256:aa",
    "application/vnd.oci.image.manifest.v1+json",
    10,
    Platform("linux", "arm64", "v8"),
    "sha256:bb",
)
YES = Answer(Verdict.VERIFIED, image=IMAGE, evidence=(Exchange("HEAD", "https://r", "/v2/", status=200),))
NO = Answer(Verdict.FAILING, Finding(FindingCode.WRONG_CREDENTIALS, checked_at=later(1)))


def proof(number, *, secret=SECRET, image="", answer=YES):
    return Proof(f"proof-{number}", secret.secret.metadata.guid, 1, later(number), answer, image=image)


PROOFS = [proof(1), proof(2, image="app:1", answer=NO), proof(3, image="app:2"), proof(4, image="app:1")]


@pytest.fixture
async def proved(store):
    def change(tx):
        for secret in (SECRET, OTHER):
            tx.secrets.add(secret)
        for each in (*PROOFS, proof(5, secret=OTHER)):
            tx.proofs.add(each)

    await store.write(change)
    return store


async def newest(store, **which):
    return list(await store.read(lambda tx: tx.proofs.newest(SECRET.secret.metadata.guid, **which)))


async def test_the_newest_proofs_of_a_secret_come_first_as_they_were(proved):
    assert await newest(proved) == PROOFS[::-1]
    assert await newest(proved, most=2) == [PROOFS[3], PROOFS[2]]


async def test_proofs_of_one_image_or_of_the_login_alone_can_be_asked_for(proved):
    assert await newest(proved, image="app:1") == [PROOFS[3], PROOFS[1]]
    assert await newest(proved, image="") == [PROOFS[0]]
    assert await newest(proved, image="none") == []


async def test_proofs_go_with_their_secret(proved):
    await proved.write(lambda tx: tx.secrets.remove(ALPHA.guid, "pull"))
    assert await newest(proved) == []
    other = OTHER.secret.metadata.guid
    assert len(await proved.read(lambda tx: tx.proofs.newest(other))) == 1


async def test_settings_of_a_registry_are_kept_per_project_and_replaced_whole(store):
    first = RegistrySettings("b.example.com:5000", ca_pem="PEM", proxy="http://proxy:3128")
    second = RegistrySettings("b.example.com:5000", plain_http=True, realm_hosts=("auth.example.com",))
    for each in (first, second, RegistrySettings("a.example.com")):
        await store.write(lambda tx, settings=each: tx.registries.put(ALPHA.guid, settings))
    assert await store.read(lambda tx: tx.registries.get(ALPHA.guid, "b.example.com:5000")) == second
    every = await store.read(lambda tx: tx.registries.all(ALPHA.guid))
    assert [each.netloc for each in every] == ["a.example.com", "b.example.com:5000"]
    assert await store.read(lambda tx: tx.registries.get(BETA.guid, "a.example.com")) is None
    assert not await store.write(lambda tx: tx.registries.remove(BETA.guid, "a.example.com"))
    assert await store.write(lambda tx: tx.registries.remove(ALPHA.guid, "a.example.com"))
    assert not await store.write(lambda tx: tx.registries.remove(ALPHA.guid, "a.example.com"))


async def test_a_fact_is_set_replaced_and_deleted(bare_store):
    def put(value):
        return bare_store.write(lambda tx: tx.settings.put("engine", value))

    def get(tx):
        return tx.settings.get("engine")

    assert await bare_store.read(get) is None
    await put("embedded")
    await put("docker")
    assert await bare_store.read(get) == "docker"
    await put(None)
    await put(None)
    assert await bare_store.read(get) is None
