"""The first pages, through real HTTP semantics without a browser."""

import re
from contextlib import asynccontextmanager

import httpx
import pytest
from starlette.applications import Starlette

from parts.world import JANE, JANES_PASSWORD, small_world
from towline import console
from towline.domain.secret import DockerDraft


@pytest.fixture
async def world():
    async with small_world() as made:
        yield made


@asynccontextmanager
async def browser(world):
    pages = console.routes(
        accounts=world.accounts,
        secrets=world.secrets,
        deployments=world.deployments,
        clock=world.clock,
        secure=False,
    )
    transport = httpx.ASGITransport(app=Starlette(routes=pages))
    async with httpx.AsyncClient(transport=transport, base_url="http://towline.test") as client:
        yield client


async def signed_in(client):
    answer = await client.post("/sign-in", data={"email": JANE, "password": JANES_PASSWORD})
    assert answer.status_code == 303
    return answer


async def test_a_visitor_is_led_to_sign_in_and_back(world):
    async with browser(world) as client:
        assert (await client.get("/")).headers["location"] == "/sign-in"
        answer = await signed_in(client)
        cookie = answer.headers["set-cookie"]
        assert "HttpOnly" in cookie
        assert "SameSite=strict" in cookie
        page = await client.get("/")
    assert page.status_code == 200
    assert "<h1>demo</h1>" in page.text


async def test_every_page_has_a_strict_policy_and_no_inline_code(world):
    async with browser(world) as client:
        await signed_in(client)
        for path in ("/", "/sign-in", "/setup"):
            page = await client.get(path)
            assert "default-src 'none'" in page.headers["content-security-policy"]
            assert page.headers["cache-control"] == "no-store"
            assert not re.search(r"<script|style=|onclick=", page.text)


async def test_a_wrong_password_is_told_and_the_address_kept(world):
    async with browser(world) as client:
        page = await client.post("/sign-in", data={"email": JANE, "password": "not-hers"})
    assert page.status_code == 401
    assert "Address or password is wrong" in page.text
    assert JANE in page.text
    assert "not-hers" not in page.text


async def test_a_form_from_another_site_is_refused(world):
    async with browser(world) as client:
        page = await client.post(
            "/sign-in",
            data={"email": JANE, "password": JANES_PASSWORD},
            headers={"Sec-Fetch-Site": "cross-site"},
        )
    assert page.status_code == 403
    assert "set-cookie" not in page.headers


async def test_set_up_is_refused_once_there_is_an_account(world):
    form = {
        "token": "guess",
        "email": "eve@example.com",
        "password": "long-enough",
        "organization": "o",
        "project": "p",
    }
    async with browser(world) as client:
        page = await client.post("/setup", data=form)
    assert page.status_code == 400
    assert "set-cookie" not in page.headers


async def test_a_secret_is_shown_with_its_verdict_and_foreign_text_is_escaped(world):
    world.prover.registry("reg.example.com", jane="right")
    draft = DockerDraft.checked(
        "pull",
        registry="reg.example.com",
        username="<b>jane",
        password="wrong",
        email="a@example.com",
        labels={},
    )
    await world.secrets.create(world.access, draft)
    async with browser(world) as client:
        await signed_in(client)
        page = await client.get("/")
    assert "failing" in page.text
    assert "&lt;b&gt;jane" in page.text
    assert "<b>jane" not in page.text


async def test_signing_out_ends_the_session_on_the_server(world):
    async with browser(world) as client:
        await signed_in(client)
        token = re.search(r'name="form_token" value="([0-9a-f]+)"', (await client.get("/")).text)[1]
        cookie = client.cookies["towline"]
        await client.post("/sign-out", data={"form_token": token})
        client.cookies.set("towline", cookie)
        assert (await client.get("/")).headers["location"] == "/sign-in"
