"""The page in a real browser, opened from disk: every control, once each."""

import csv
import io
import json
import re
import shutil
from contextlib import contextmanager
from pathlib import Path

import pytest
from playwright.sync_api import Page, expect

from playground import bundle, gpt, mixtures

# frames far apart, as on a busy machine: what depends on one too soon is found
SLOW_FRAMES = (
    "requestAnimationFrame = (run) => setTimeout(run, 400);"
    " cancelAnimationFrame = clearTimeout;"
)
GREEN = "✓ As in PyTorch, up to: GPT's logits"
expect.set_options(timeout=30_000)


@pytest.fixture
def opened(browser):
    """Open a page's file; at the end nothing may have been logged as an error."""
    logged, pages = [], []

    def open_page(file: Path, state: str = "", script: str = "", **options) -> Page:
        page = browser.new_page(
            **{"viewport": {"width": 1000, "height": 900}, **options}
        )
        page.set_default_timeout(30_000)
        page.add_init_script(script)
        page.on(
            "console", lambda m: logged.append(m.text) if m.type == "error" else None
        )
        page.on("pageerror", lambda error: logged.append(str(error)))
        page.goto(f"{file.as_uri()}{state}")
        pages.append(page)
        expect(page.locator("#check")).to_have_class(re.compile("good|bad"))
        return page

    open_page.logged = logged
    yield open_page
    for page in pages:
        page.close()
    assert logged == []


@pytest.fixture
def page(opened, exported) -> Page:
    return opened(exported / "index.html")


def text_of(page: Page, name: str) -> str:
    return page.locator(f"#{name}").inner_text()


@contextmanager
def changes(page: Page, *names: str):
    """What happens within must change what each of these elements shows."""
    before = {name: page.locator(f"#{name}").inner_html() for name in names}
    yield
    for name, html in before.items():
        page.wait_for_function(
            "([name, html]) => document.getElementById(name).innerHTML !== html",
            arg=[name, html],
        )


def set_range(page: Page, name: str, value: float) -> None:
    page.locator(f"#{name}").fill(str(value))


def saved(page: Page, click: str) -> tuple[str, bytes]:
    """Return name and content of the file that a button saves."""
    with page.expect_download() as download:
        page.locator(click).click()
    return download.value.suggested_filename, Path(download.value.path()).read_bytes()


def rows_of(content: bytes) -> list[list[str]]:
    return list(csv.reader(io.StringIO(content.decode())))


def drawn(page: Page, name: str) -> int:
    """Return how many shapes a picture has."""
    return page.locator(f"#{name} svg rect").count()


def test_it_opens_from_disk_and_its_numbers_are_pytorch_s(page):
    assert page.url.startswith("file:")
    line = page.locator("#check")
    expect(line).to_have_class("good")
    for part in (GREEN, "log-densities", "log-probabilities"):
        expect(line).to_contain_text(part)
    assert page.locator(".trouble:visible").count() == 0


def test_numbers_are_checked_when_the_panel_can_be_seen(opened, exported):
    page = opened(exported / "index.html", script=SLOW_FRAMES)
    assert drawn(page, "gpt-bars") > 10


def test_the_gpt_s_controls(page):
    expect(page.locator("#gpt-writing")).not_to_be_empty()
    assert drawn(page, "gpt-bars") > 10
    with changes(page, "gpt-bars", "gpt-attention", "gpt-window", "gpt-writing"):
        page.locator("#gpt-text").fill("then a hen")
    with changes(page, "gpt-bars", "gpt-attention", "gpt-epoch-shown", "gpt-writing"):
        set_range(page, "gpt-epoch", 0)
    for name, value in (("temperature", 0.5), ("topk", 3), ("topp", 0.5)):
        with changes(page, "gpt-bars", f"gpt-{name}-shown"):
            set_range(page, f"gpt-{name}", value)
    expect(page.locator("#gpt-bars")).to_contain_text("cut by top-k")
    set_range(page, "gpt-temperature", 0)
    expect(page.locator("#gpt-kept")).to_contain_text("1 of")
    for button, n in (("gpt-next", 1), ("gpt-more", 20)):
        before = page.locator("#gpt-text").input_value()
        page.locator(f"#{button}").click()
        after = page.locator("#gpt-text").input_value()
        assert after.startswith(before)
        assert len(after) == len(before) + n
    set_range(page, "gpt-temperature", 1)
    with changes(page, "gpt-writing"):
        page.locator("#gpt-another").click()
    assert page.locator("#gpt-seed").input_value() == "2"


def test_an_unknown_character_is_shown_as_such_and_never_becomes_an_element(page):
    text = "<b id=planted>ß</b>"
    page.locator("#gpt-text").fill(text)
    expect(page.locator("#gpt-note")).to_contain_text("ß")
    unknown = page.locator("#gpt-window .unknown").all_inner_texts()
    assert "ß" in unknown
    page.locator("#tab-headlines").click()
    page.locator("#headlines-text").fill(text)
    expect(page.locator("#headlines-note")).to_contain_text("ß")
    expect(page.locator("#headlines-writing li").first).to_contain_text(text)
    assert page.locator("#planted").count() == 0


def test_the_mixtures_controls(page):
    page.locator("#tab-mixtures").click()
    likelihood, spot = "mixtures-likelihood", "mixtures-spot"
    expect(page.locator(f"#{likelihood}")).to_contain_text("60 test places")
    with changes(page, likelihood):
        page.locator("#mixtures-count").select_option("5")
    with changes(page, likelihood):
        page.locator("#mixtures-count").select_option("3")
        page.locator("#mixtures-start").select_option("country")
    with changes(page, likelihood, "mixtures-caption"):
        set_range(page, "mixtures-epoch", 0)
    with changes(page, "mixtures-caption"):
        page.locator("#mixtures-play").click()
    expect(page.locator("#mixtures-epoch-shown")).to_have_text("3")
    expect(page.locator("#mixtures-play")).to_have_text("Play the epochs")
    with changes(page, likelihood):
        page.locator("#mixtures-kind").select_option("umm")
    expect(page.locator(f"#{likelihood}")).to_contain_text("Boxes cover")
    with changes(page, likelihood):
        page.locator("#mixtures-kind").select_option("soft")
    expect(page.locator("#mixtures-start")).to_have_value("clusters")
    first = text_of(page, "mixtures-epoch-shown")
    set_range(page, "mixtures-epoch", 0)
    expect(page.locator("#mixtures-epoch-shown")).to_have_text("0 (edges 0.10)")
    assert float(first.split()[2].rstrip(")")) < 0.1
    page.locator("#mixtures-map").hover(position={"x": 200, "y": 200})
    with changes(page, spot, "mixtures-shares"):
        page.locator("#mixtures-map").hover(position={"x": 300, "y": 150})


def centre_of(page: Page, k: int) -> dict[str, float]:
    """Return where on the screen the centre of a component is."""
    return page.evaluate(
        "(k) => { const b = byId('mixtures-map').getBoundingClientRect();"
        " const [x, y] = mixturesPanel.view.place(mixturesPanel.mixture().where[k]);"
        " return { x: b.left + x, y: b.top + y }; }",
        k,
    )


def test_a_component_is_dragged_and_the_likelihood_follows(opened, exported):
    page = opened(
        exported / "index.html",
        "#panel=mixtures&mixtures.count=3&mixtures.start=country",
    )
    likelihood = "mixtures-likelihood"
    trained = text_of(page, likelihood)
    page.locator("#mixtures-map").scroll_into_view_if_needed()
    start = centre_of(page, 1)
    with changes(page, likelihood):
        page.mouse.move(start["x"], start["y"])
        page.mouse.down()
        page.mouse.move(start["x"] + 60, start["y"] - 40, steps=4)
        page.mouse.up()
    assert page.locator("#mixtures-chosen").input_value() == "1"
    expect(page.locator(f"#{likelihood}")).to_contain_text("by what was moved")
    end = centre_of(page, 1)
    assert end["x"] - start["x"] == pytest.approx(60, abs=2)
    assert end["y"] - start["y"] == pytest.approx(-40, abs=2)
    with changes(page, likelihood):
        page.locator("#mixtures-map").press("Shift+ArrowLeft")
    assert centre_of(page, 1)["x"] < end["x"] - 2
    page.wait_for_function("() => location.hash.includes('moved')")
    page.locator("#mixtures-reset").click()
    expect(page.locator(f"#{likelihood}")).to_have_text(trained)


def test_the_headlines_controls(page):
    page.locator("#tab-headlines").click()
    expect(page.locator("#headlines-writing li")).to_have_count(8)
    expect(page.locator("#headlines-curve circle")).to_have_count(1)
    for value, shown in ((0.05, "0.05"), (2, "2.00")):
        with changes(page, "headlines-entropy", "headlines-bars", "headlines-curve"):
            set_range(page, "headlines-temperature", value)
        expect(page.locator("#headlines-temperature-shown")).to_have_text(shown)
    with changes(page, "headlines-bars", "headlines-writing"):
        page.locator("#headlines-text").fill("zebra")
    with changes(page, "headlines-writing"):
        page.locator("#headlines-another").click()


def test_the_sentiment_s_model_is_loaded_when_it_is_asked_for(page):
    page.locator("#tab-sentiment").click()
    assert page.evaluate("packs.has('sentiment')") is False
    page.locator("#sentiment-load").click()
    expect(page.locator("#check")).to_contain_text("sentiment's logits")
    expect(page.locator("#sentiment-load")).to_be_hidden()
    expect(page.locator("#check")).to_have_class("good")
    expect(page.locator("#sentiment-words button").first).to_be_visible()
    with changes(page, "sentiment-verdict", "sentiment-words", "sentiment-note"):
        page.locator("#sentiment-text").fill("a superb film unheardof")
    expect(page.locator("#sentiment-words .unknown")).to_have_count(1)
    with changes(page, "sentiment-looks"):
        page.locator("#sentiment-words button").nth(1).click()
    expect(page.locator("#sentiment-looks")).to_contain_text("“superb” looks most at")
    with changes(page, "sentiment-words"):
        page.locator("#sentiment-another").click()
    for _ in range(3):  # whatever word is chosen, one of them is of a longer review
        page.locator("#sentiment-words button").last.click()
        with changes(page, "sentiment-words"):
            page.locator("#sentiment-another").click()
    page.locator("#sentiment-text").fill("a superb film")
    file, content = saved(page, "#sentiment-csv")
    assert file == "sentiment-words.csv"
    assert [fields[1] for fields in rows_of(content)] == ["word", "a", "superb", "film"]
    page.locator("#sentiment-text").fill(" ")
    expect(page.locator("#sentiment-verdict")).to_have_text("Nothing to read.")


@pytest.mark.parametrize(
    ("panel", "button", "name", "header", "n"),
    [
        ("gpt", "#gpt-csv", "gpt-samples.csv", "seed", 20),
        ("mixtures", "#mixtures-csv", "mixture-samples.csv", "longitude", 1000),
        ("headlines", "#headlines-csv", "headlines.csv", "number", 50),
    ],
)
def test_samples_are_saved_as_a_table(opened, exported, panel, button, name, header, n):
    page = opened(exported / "index.html", f"#panel={panel}")
    file, content = saved(page, button)
    rows = rows_of(content)
    assert (file, rows[0][0], len(rows)) == (name, header, n + 1)
    assert len(set(map(tuple, rows))) > n / 4
    assert {len(fields) for fields in rows} == {len(rows[0])}


def test_pictures_are_saved(page):
    file, content = saved(page, "[data-save=gpt-attention]")
    assert file == "gpt-attention.svg"
    assert content.startswith(b'<svg xmlns="http://www.w3.org/2000/svg"')
    assert b"var(" not in content
    page.locator("#tab-mixtures").click()
    file, content = saved(page, "[data-save=mixtures-map]")
    assert file == "mixtures-map.png"
    assert content.startswith(b"\x89PNG")


def test_the_address_shows_the_same_again(opened, exported):
    page = opened(exported / "index.html")
    page.locator("#gpt-text").fill("a hen & the mat\n100%")
    set_range(page, "gpt-epoch", 1)
    set_range(page, "gpt-topk", 4)
    page.wait_for_function("() => location.hash.includes('topk')")
    again = opened(exported / "index.html", page.url.partition("index.html")[2])
    for name in ("gpt-bars", "gpt-window", "gpt-kept", "gpt-epoch-shown"):
        assert text_of(again, name) == text_of(page, name)
    assert again.locator("#gpt-text").input_value() == "a hen & the mat\n100%"
    moved = opened(
        exported / "index.html",
        "#panel=mixtures&mixtures.kind=umm&mixtures.count=5&mixtures.epoch=2"
        "&mixtures.moved=0,0.5,0.5&mixtures.sampled=1",
    )
    for name, value in (("kind", "umm"), ("count", "5"), ("epoch", "2")):
        assert moved.locator(f"#mixtures-{name}").input_value() == value
    assert moved.evaluate("mixturesPanel.mixture().where[0]") == [0.5, 0.5]
    expect(moved.locator("#mixtures-sample")).to_have_attribute("aria-pressed", "true")


def test_an_address_that_makes_no_sense_is_survived(opened, exported):
    page = opened(
        exported / "index.html",
        "#panel=nothing&gpt.epoch=99&gpt.topk=-3&gpt.temperature=NaN&gpt.seed=x"
        "&mixtures.kind=cubes&mixtures.count=7&mixtures.moved=99,a,b 1,2&%E0",
    )
    expect(page.locator("#gpt-epoch-shown")).to_have_text("2")
    expect(page.locator("#gpt-topk-shown")).to_have_text("1")
    page.locator("#tab-mixtures").click()
    expect(page.locator("#mixtures-likelihood")).to_contain_text("test places")


@pytest.mark.parametrize("script", ["", SLOW_FRAMES], ids=["frames", "slow_frames"])
def test_the_keyboard_alone_is_enough(opened, exported, script):
    page = opened(exported / "index.html", script=script)
    page.locator("#tab-gpt").focus()
    page.keyboard.press("ArrowRight")
    expect(page.locator("#panel-mixtures")).to_be_visible()
    page.keyboard.press("ArrowLeft")
    expect(page.locator("#panel-gpt")).to_be_visible()
    page.keyboard.press("Tab")
    page.keyboard.type("hen ")
    assert "hen " in page.locator("#gpt-text").input_value()
    page.keyboard.press("Tab")
    with changes(page, "gpt-epoch-shown", "gpt-bars"):
        page.keyboard.press("ArrowLeft")
    page.locator("#tab-mixtures").click()
    page.locator("#mixtures-map").focus()
    expect(page.locator("#mixtures-map")).to_be_focused()
    with changes(page, "mixtures-spot"):
        page.keyboard.press("ArrowUp")


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("width", [375, 800, 1400])
def test_it_fits_a_phone_and_a_screen(opened, exported, width, scheme):
    page = opened(
        exported / "index.html",
        viewport={"width": width, "height": 800}, color_scheme=scheme,
    )  # fmt: skip
    for panel in ("gpt", "mixtures", "headlines", "sentiment"):
        page.locator(f"#tab-{panel}").click()
        expect(page.locator(f"#panel-{panel}")).to_be_visible()
        page.wait_for_timeout(50)
        wide = page.evaluate("document.documentElement.scrollWidth")
        assert wide <= width, panel
    dark = page.evaluate("getComputedStyle(document.body).backgroundColor")
    assert (dark == "rgb(255, 255, 255)") == (scheme == "light")


def damaged(page: Path, folder: Path, change) -> Path:
    """Write a page whose text was changed."""
    folder.mkdir()
    (folder / "index.html").write_text(change(page.read_text("utf-8")), "utf-8")
    return folder / "index.html"


def test_damaged_weights_give_one_sentence_and_the_rest_works(
    opened, exported, tmp_path
):
    def cut(text: str) -> str:
        return re.sub(r'(id="data-gpt">.*"data":".{2000}).{40}', r"\1", text)

    def drop(text: str) -> str:
        return re.sub(r'<script[^>]*id="data-headlines">.*?</script>', "", text)

    page = opened(
        damaged(exported / "index.html", tmp_path / "p", lambda t: drop(cut(t)))
    )
    assert text_of(page, "trouble-gpt").startswith(
        "The weights in this file are damaged"
    )
    assert not page.locator("#gpt-text").is_visible()
    page.locator("#tab-headlines").click()
    assert "missing" in text_of(page, "trouble-headlines")
    page.locator("#tab-mixtures").click()
    expect(page.locator("#mixtures-likelihood")).to_contain_text("test places")


def test_a_damaged_list_of_weights_gives_one_sentence(opened, exported, tmp_path):
    file = damaged(
        exported / "index.html", tmp_path / "p",
        lambda text: text.replace('"2.ln_f.weight":', '"2.ln_g.weight":'),
    )  # fmt: skip
    page = opened(file)
    expect(page.locator("#trouble-gpt")).to_contain_text("2.ln_f.weight is missing")
    assert "GPT" not in text_of(page, "check")
    page.locator("#tab-mixtures").click()
    expect(page.locator("#mixtures-likelihood")).to_contain_text("test places")


def test_a_missing_second_file_gives_one_sentence(opened, exported, tmp_path):
    alone = damaged(exported / "index.html", tmp_path / "p", lambda text: text)
    page = opened(alone, "#panel=sentiment")
    page.locator("#sentiment-load").click()
    expect(page.locator("#trouble-sentiment")).to_have_text(
        "sentiment.js is not beside this page."
    )
    # the browser logs that it found no such file: that is so
    assert all("ERR_FILE_NOT_FOUND" in line for line in opened.logged)
    opened.logged.clear()


def test_a_damaged_second_file_gives_one_sentence(opened, exported, tmp_path):
    alone = damaged(exported / "index.html", tmp_path / "p", lambda text: text)
    data = (exported / "sentiment.js").read_text("utf-8")
    changed = data.replace('"crc32":', '"crc32":1')
    (alone.parent / "sentiment.js").write_text(changed, "utf-8")
    page = opened(alone, "#panel=sentiment")
    page.locator("#sentiment-load").click()
    expect(page.locator("#trouble-sentiment")).to_contain_text("damaged")
    shutil.copy(exported / "sentiment.js", alone.parent)
    page.locator("#sentiment-load").click()
    expect(page.locator("#sentiment-words button").first).to_be_visible()
    expect(page.locator("#trouble-sentiment")).to_be_hidden()


@pytest.mark.parametrize("name", ["gpt", "mixtures"])
def test_a_wrong_number_is_not_green(opened, trained, trained_mixtures, tmp_path, name):
    packs = {
        "gpt": gpt.collect(trained / "gpt", 10**6),
        "mixtures": mixtures.collect(trained_mixtures),
    }
    array = "check.logits" if name == "gpt" else "umm.3.random.check"
    packs[name].arrays[array][1][0, 0] += 2e-4 if name == "gpt" else 2e-5
    file = tmp_path / "index.html"
    commands = {"headlines": "it", "sentiment": "it"}
    file.write_text(bundle.make_page(packs, commands), "utf-8")
    page = opened(file)
    expect(page.locator("#check")).to_have_class("bad")
    expect(page.locator("#check")).to_contain_text("Not as in PyTorch")
    page.locator("#tab-headlines").click()
    expect(page.locator("#trouble-headlines")).to_contain_text("run it")
    assert json.loads(page.locator("#data-commands").text_content()) == commands
