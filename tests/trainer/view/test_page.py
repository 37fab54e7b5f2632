"""The page in headless Chromium: what a person sees and does, and what hostile text can't do."""

import contextlib
import re
import shutil
import time

import numpy as np
import pytest

from rollout.catalogue import scan
from rollout.store import read_groups, read_trajectory, write_groups
from tests.runs import with_text
from tests.serving import served
from trainer.learned import learned_path, read_learned
from trainer.view.server import make_app

CHROMIUM = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)
HOSTILE = "<script>window.hacked = 1</script><img src=x onerror='window.hacked = 2'><b>bold</b>"


@pytest.fixture(scope="module")
def browser():
    playwright = pytest.importorskip("playwright.sync_api", reason="the page is tested with playwright")
    if CHROMIUM is None:
        pytest.skip("no chromium on this machine: apt-get install chromium")
    with playwright.sync_playwright() as started:
        arguments = ["--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage"]
        chromium = started.chromium.launch(executable_path=CHROMIUM, args=arguments)
        yield chromium
        chromium.close()


@pytest.fixture(scope="module")
def maker(browser, made_run, tmp_path_factory):
    """A run; its newest episode wrote hostile text."""
    made = made_run.copied(tmp_path_factory.mktemp("shown"))
    path = made.folder / "trajectories" / "step-00002.parquet"
    groups = read_groups(path)
    write_groups(path, [with_text(groups[0], HOSTILE), *groups[1:]])
    return made


@pytest.fixture(scope="module")
def address(maker):
    with served(make_app(maker.folder)) as at:
        yield f"{at}/"


@pytest.fixture
def page(browser, address):
    with opened(browser) as made:
        yield made


@contextlib.contextmanager
def opened(browser, **settings):
    context = browser.new_context(**({"viewport": {"width": 1280, "height": 860}} | settings))
    made = context.new_page()
    made.set_default_timeout(60_000)
    wrong: list[str] = []
    made.on("pageerror", lambda error: wrong.append(str(error)))
    made.on("console", lambda said: wrong.append(said.text) if said.type in ("error", "warning") else None)
    made.on(
        "request",
        lambda asked: None if asked.url.startswith(("http://127.0.0.1", "data:")) else wrong.append(asked.url),
    )
    yield made
    context.close()
    assert not wrong, "errors, or requests to elsewhere"


def until(page, condition, seconds=60):
    """Waits for a JavaScript condition; playwright's own way needs `eval`, which the page's policy forbids."""
    deadline = time.monotonic() + seconds
    while not page.evaluate(condition):
        assert time.monotonic() < deadline, f"never came true: {condition}"
        page.wait_for_timeout(50)


def test_the_curves_of_the_run_are_drawn(page, address):
    page.goto(address)
    page.wait_for_selector("[data-card=Reward] polyline")
    cards = page.locator("[data-card]").evaluate_all("all => all.map((card) => card.dataset.card)")
    assert {"Reward", "Score by environment", "Entropy", "Length", "Errors", "Mismatch"} <= set(cards)
    legend = page.locator("[data-card='Score by environment'] .legend").inner_text()
    assert "Weather" in legend
    assert "WordProblems" in legend
    assert page.locator("#state").inner_text() == "round 3 of 40"


def test_the_pointer_shows_a_round_s_numbers(page, address):
    page.goto(address)
    page.locator("[data-card=Entropy] svg").hover(position={"x": 60, "y": 60})
    assert re.search(r"round\s*1\s*entropy\s*1\.4", page.locator("#tip").inner_text())


def test_a_filter_narrows_the_list_and_stands_in_the_address(page, address):
    page.goto(f"{address}#/episodes")
    page.wait_for_selector(".row")
    assert "of 78" in page.locator(".pages").inner_text()
    page.select_option("select[name=env]", "postgym/Weather-v0")
    until(page, "!document.querySelector('.pages').innerText.includes('of 78')")
    page.fill("input[name=low]", "1")
    page.press("input[name=low]", "Enter")
    until(page, "[...document.querySelectorAll('.row .chip')].every((c) => c.innerText === '1.00')")
    assert set(page.locator(".row b").all_inner_texts()) == {"Weather"}
    assert "low=1" in page.url
    page.reload()
    page.wait_for_selector(".row")
    assert page.input_value("input[name=low]") == "1"


def test_errors_can_be_found_and_say_what_happened(page, address):
    page.goto(f"{address}#/episodes?status=error&fault=raised")
    page.wait_for_selector(".row")
    assert page.locator(".row").count() == 1
    assert page.locator(".row .chip").inner_text() == "raised"
    page.locator(".row").click()
    assert "the weather service is gone" in page.locator(".detail .reason").inner_text()


def test_pages_lead_through_the_whole_list(page, address):
    page.goto(f"{address}#/episodes")
    page.wait_for_selector(".row")
    assert page.locator(".row").count() == 50
    page.locator(".pages .button", has_text="next").click()
    until(page, "document.querySelectorAll('.row').length === 28")


def learned(folder):
    """An episode that the update has learned from: its place and its trajectory."""
    entry = next(
        e for e in scan(folder / "trajectories" / "step-00001.parquet") if e.value == 1 and e.sampled_tokens > 20
    )
    return f"#/episodes/{entry.path.stem}/{entry.row}", read_trajectory(entry.path, entry.row)


def colours(page):
    return page.locator(".tokens span").evaluate_all("all => all.map((span) => span.style.backgroundColor)")


def test_every_token_is_coloured_by_what_is_asked(page, address, maker):
    place, trajectory = learned(maker.folder)
    page.goto(address + place)
    page.wait_for_selector(".tokens span")
    assert page.locator(".tokens span").count() == len(trajectory.token_ids)
    by_mask = colours(page)
    assert [bool(c) for c in by_mask] == trajectory.loss_mask.tolist()
    seen = {tuple(by_mask)}
    for way in ("logprob", "ratio", "advantage", "version"):
        page.locator(f"input[value={way}]").check(force=True)
        now = colours(page)
        assert not any(c for c, sampled in zip(now, trajectory.loss_mask, strict=True) if not sampled)
        seen.add(tuple(now))
    assert len(seen) == 5, "each shows something of its own"


def test_a_tokens_colour_says_how_much_and_which_way(page, address, maker):
    place, trajectory = learned(maker.folder)
    kept = read_learned(learned_path(maker.folder / "trajectories" / "step-00001.parquet"))
    known = kept[int(place.rsplit("/", 1)[1])]
    page.goto(address + place)
    page.wait_for_selector(".tokens span")

    def sampled(way):
        page.locator(f"input[value={way}]").check(force=True)
        return [c for c, mine in zip(colours(page), trajectory.loss_mask, strict=True) if mine]

    logprobs = trajectory.logprobs[trajectory.loss_mask]
    strength = [int(re.search(r"(\d+)%", c)[1]) for c in sampled("logprob")]
    by_logprob = [strength[i] for i in logprobs.argsort()]
    assert by_logprob == sorted(by_logprob, reverse=True), "the less likely, the stronger"
    assert len(set(by_logprob)) > 5
    ratios = np.exp(known.trainer_logprobs - logprobs)
    assert {("more" in c, ratio > 1) for c, ratio in zip(sampled("ratio"), ratios, strict=True)} == {
        (True, True),
        (False, False),
    }
    ways = {"good" if advantage >= 0 else "bad" for advantage in known.advantages}
    assert {re.search(r"--(\w+)", c)[1] for c in sampled("advantage")} == ways


def test_hovering_a_token_shows_its_id_and_numbers(page, address, maker):
    place, trajectory = learned(maker.folder)
    at = int(trajectory.loss_mask.argmax()) + 2
    page.goto(address + place)
    page.locator(f".tokens span[data-at='{at}']").hover()
    said = page.locator("#tip").inner_text()
    assert str(trajectory.token_ids[at]) in said
    assert f"{trajectory.logprobs[at]:.2f}" in said
    assert all(word in said for word in ("ratio", "advantage", "version 1"))
    page.locator(".tokens span[data-at='0']").hover()
    assert "prompt" in page.locator("#tip").inner_text()


def test_arrow_keys_go_through_the_tokens(page, address, maker):
    place, trajectory = learned(maker.folder)
    page.goto(address + place)
    page.wait_for_selector(".tokens span")
    page.locator(".tokens").focus()
    for key, at in (("ArrowRight", 0), ("ArrowDown", 10), ("ArrowLeft", 9), ("End", len(trajectory.token_ids) - 1)):
        page.keyboard.press(key)
        assert page.locator(".tokens .at").get_attribute("data-at") == str(at)
        said = page.locator("#tip").inner_text()
        assert f"{at} of {len(trajectory.token_ids)}" in said
        assert str(trajectory.token_ids[at]) in said
    page.keyboard.press("Tab")
    assert page.locator("#tip").is_hidden()


def test_the_score_is_explained_point_by_point(page, address, maker):
    place, trajectory = learned(maker.folder)
    page.goto(address + place)
    page.wait_for_selector(".score")
    shown = page.locator(".score").inner_text()
    for part in trajectory.score.parts:
        assert part.name in shown
        assert part.reason in shown


def test_before_and_after_stand_side_by_side(page, address):
    page.goto(f"{address}#/tasks?change=better")
    page.locator(".row").first.click()
    page.wait_for_selector(".side")
    assert [t.split()[0] for t in page.locator(".side h3").all_inner_texts()] == ["base", "sft", "grpo"]
    tops = page.locator(".side").evaluate_all("all => all.map((side) => side.getBoundingClientRect().top)")
    assert len(set(tops)) == 1, "beside each other"
    page.locator(".side a").last.click()
    page.wait_for_selector(".tokens span")
    assert "eval-grpo" in page.url


def test_what_a_model_wrote_is_shown_and_never_run(page, address):
    page.goto(f"{address}#/episodes/step-00002/0")
    page.wait_for_selector(".message.assistant")
    assert HOSTILE in page.locator(".messages").inner_text()
    assert page.evaluate("window.hacked") is None
    assert page.locator(".detail :is(script, img, pre b)").count() == 0


def test_new_rounds_appear_without_a_reload_and_leave_the_reader_in_peace(browser, made_run, tmp_path):
    maker = made_run.copied(tmp_path)
    with served(make_app(maker.folder)) as at, opened(browser) as page:
        page.goto(f"{at}/#/episodes/step-00000/1")
        page.wait_for_selector(".tokens span")
        page.evaluate("window.notReloaded = true")
        page.locator("input[value=logprob]").check(force=True)
        maker.begin(3, 0.9)
        until(page, "document.querySelector('#facts').innerText.includes('4 of them of rounds being played')")
        until(page, "document.querySelector('.row').innerText.includes('round 3')")
        assert page.locator("#state").inner_text() == "round 3 of 40", "which is not over yet"
        maker.step(3, 0.9)
        until(page, "document.querySelector('#state').innerText === 'round 4 of 40'")
        until(page, "document.querySelector('.row').innerText.includes('round 3')")
        assert page.locator("input[value=logprob]").is_checked(), "the open episode stays as it was"
        page.goto(f"{at}/#/curves")
        page.wait_for_selector("[data-card=Reward] polyline")
        before = page.locator("[data-card=Reward] polyline").first.get_attribute("points").split()
        maker.step(4, 0.9)
        until(
            page, "document.querySelector('[data-card=Reward] polyline').getAttribute('points').split(' ').length === 5"
        )
        assert len(before) == 4
        maker.finish()
        until(page, "document.querySelector('#state').innerText === 'finished'")
        assert page.evaluate("window.notReloaded")


def test_a_viewer_that_has_stopped_is_said(browser, maker):
    context = browser.new_context()
    page = context.new_page()
    with served(make_app(maker.folder)) as at:
        page.goto(at)
        page.wait_for_selector("polyline")
    until(page, "!document.querySelector('#trouble').hidden")
    assert "start it again with scripts/view.py" in page.locator("#trouble").inner_text()
    context.close()


def test_a_broken_file_stays_named_until_it_is_mended(browser, made_run, tmp_path):
    maker = made_run.copied(tmp_path)
    path = maker.folder / "trajectories" / "step-00001.parquet"
    whole = path.read_bytes()
    path.write_bytes(b"PAR1")
    with served(make_app(maker.folder)) as at, opened(browser) as page:
        page.goto(f"{at}/#/episodes")
        until(page, "document.querySelector('#trouble').innerText.includes('step-00001.parquet can')")
        page.wait_for_timeout(2500)  # another look
        assert page.locator("#trouble").is_visible()
        path.write_bytes(whole)
        until(page, "document.querySelector('#trouble').hidden")
        until(page, "document.querySelector('.pages').innerText.includes('of 78')")


def test_an_address_of_nothing_says_so(browser, address):
    context = browser.new_context()
    page = context.new_page()
    page.goto(f"{address}#/episodes/step-00000/999")
    until(page, "document.querySelector('#trouble').innerText.includes('has no episode')")
    page.wait_for_timeout(2500)  # another look
    assert "has no episode step-00000#999" in page.locator("#trouble").inner_text()
    context.close()


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize(("width", "height"), [(1280, 860), (390, 844)])
def test_it_fits_the_screen_in_both_lights(browser, address, maker, tmp_path, scheme, width, height):
    from PIL import Image

    place, _ = learned(maker.folder)
    with opened(browser, viewport={"width": width, "height": height}, color_scheme=scheme) as page:
        for name, where, drawn in (
            ("curves", "#/curves", ".card svg"),
            ("list", "#/episodes", ".row"),
            ("episode", place, ".tokens span"),
            ("tasks", "#/tasks", "[data-task]"),
        ):
            page.goto(address + where)
            page.wait_for_selector(drawn)
            assert page.evaluate("document.documentElement.scrollWidth") <= width, f"{name} scrolls sideways"
            shot = tmp_path / f"{name}.png"
            page.screenshot(path=str(shot))
            picture = Image.open(shot).convert("RGB")
            found = picture.getcolors(2**24)
            assert len(found) > 50, "something is drawn"
            assert (sum(max(found)[1]) > 380) == (scheme == "light"), "the background follows the system"


def test_thousands_of_episodes_are_listed_at_once(browser, maker, tmp_path):
    folder = shutil.copytree(maker.folder, tmp_path / "large")
    for step in range(3, 303):
        shutil.copy(
            folder / "trajectories" / "step-00001.parquet", folder / "trajectories" / f"step-{step:05d}.parquet"
        )
    with served(make_app(folder)) as at, opened(browser) as page:
        page.goto(f"{at}/#/episodes")
        page.wait_for_selector(".row")
        assert "of 4878" in page.locator(".pages").inner_text()
        started = time.monotonic()
        page.fill("input[name=first_step]", "302")
        page.press("input[name=first_step]", "Enter")
        until(page, "document.querySelector('.pages').innerText.includes('of 16')")
        assert time.monotonic() - started < 5
