"""Letting a program in, as a browser without scripts sees it."""

import re
from urllib.parse import parse_qs, urlsplit

from towline.domain.device_login import INTERVAL, LIFE, Granted, PollAnswer

CLIENT = "rio-cli"


async def begun(world):
    return await world.device_logins.begin(CLIENT, peer="10.0.0.7")


async def polled(world, one):
    world.clock.advance(seconds=INTERVAL.total_seconds())
    return await world.device_logins.poll(one.device_code, CLIENT)


async def pressed(jane, user_code, **button):
    page = await jane.client.get("/device", params={"user_code": user_code})
    token = re.search(r'name="form_token" value="([0-9a-f]+)"', page.text)
    fields = {"form_token": token[1], "user_code": user_code, **button}
    return await jane.client.post("/device", data=fields)


async def test_who_is_not_signed_in_signs_in_first_and_comes_back_with_the_code(visitor, world):
    one = await begun(world)
    answer = await visitor.client.get("/device", params={"user_code": one.user_code})
    assert answer.status_code == 303
    [back] = parse_qs(urlsplit(answer.headers["location"]).query)["next"]
    assert back == f"/device?user_code={one.user_code}"
    form = await visitor.client.get(answer.headers["location"])
    assert f'name="next" value="{back}"' in form.text


async def test_a_code_in_the_address_lets_nobody_in(jane, world):
    one = await begun(world)
    page = await jane.client.get("/device", params={"user_code": one.user_code.lower()})
    for shown in (one.user_code, CLIENT, "10.0.0.7", "jane@example.com", "APPROVE", "DENY"):
        assert shown in page.text
    assert await polled(world, one) is PollAnswer.PENDING


async def test_approve_lets_the_program_in(jane, world):
    one = await begun(world)
    answer = await pressed(jane, one.user_code, approve="yes")
    assert f"{CLIENT} is signed in" in answer.text
    assert isinstance(await polled(world, one), Granted)


async def test_deny_turns_it_away(jane, world):
    one = await begun(world)
    answer = await pressed(jane, one.user_code, deny="yes")
    assert f"{CLIENT} was turned away" in answer.text
    assert await polled(world, one) is PollAnswer.DENIED


async def test_a_form_that_says_neither_is_a_no(jane, world):
    one = await begun(world)
    await pressed(jane, one.user_code)
    assert await polled(world, one) is PollAnswer.DENIED


async def test_a_form_of_another_site_lets_nobody_in(jane, world):
    one = await begun(world)
    fields = {"user_code": one.user_code, "approve": "yes"}
    assert (await jane.client.post("/device", data=fields)).status_code == 403
    page = await jane.client.get("/device", params={"user_code": one.user_code})
    token = re.search(r'name="form_token" value="([0-9a-f]+)"', page.text)[1]
    foreign = await jane.client.post(
        "/device", data={**fields, "form_token": token}, headers={"Sec-Fetch-Site": "cross-site"}
    )
    assert foreign.status_code == 403
    assert await polled(world, one) is PollAnswer.PENDING


async def test_a_wrong_code_is_told_and_the_form_shown_again(jane, world):
    for code in ("BCDF-GHJK", "nonsense", "<script>alert(1)</script>"):
        answer = await jane.client.get("/device", params={"user_code": code})
        assert answer.status_code == 400
        assert "no program waits under this code" in answer.text.lower()
        assert "<script>alert" not in answer.text


async def test_a_code_that_was_used_or_is_too_old_is_told(jane, world):
    one, two = await begun(world), await begun(world)
    await pressed(jane, one.user_code, approve="yes")
    assert (await jane.client.get("/device", params={"user_code": one.user_code})).status_code == 400
    late = await jane.client.get("/device", params={"user_code": two.user_code})
    token = re.search(r'name="form_token" value="([0-9a-f]+)"', late.text)[1]
    world.clock.advance(seconds=LIFE.total_seconds())
    fields = {"form_token": token, "user_code": two.user_code, "approve": "yes"}
    answer = await jane.client.post("/device", data=fields)
    assert answer.status_code == 400
    assert "no program waits under this code" in answer.text.lower()


async def test_guessing_is_stopped_in_words(jane, world):
    for _ in range(10):
        await jane.client.get("/device", params={"user_code": "BCDF-GHJK"})
    answer = await jane.client.get("/device", params={"user_code": "BCDF-GHJK"})
    assert answer.status_code == 429
    assert "too many wrong codes" in answer.text


async def test_without_a_code_it_is_asked_for(jane):
    answer = await jane.client.get("/device")
    assert answer.status_code == 200
    assert 'name="user_code"' in answer.text
