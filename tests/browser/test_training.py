"""A training from the page, in a real browser: looked over, started, stopped, resumed, compared, exported; found again."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from tests.browser.serving import Server, screenshot
from tests.browser.studio import PATIENCE, fill, fits_the_window, open_studio, tab

if TYPE_CHECKING:
    from playwright.sync_api import Page

axe = pytest.importorskip("axe_playwright_python.sync_playwright", reason="axe-core is not installed (axe-playwright-python)")


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("training") / "jobs"


@pytest.fixture(scope="module")
def studio(browser, serving, folder: Path) -> Server:
    return serving("studio", "--folder", folder, "--set", "generate.effort=1", "--max-requests", 1000)


@pytest.fixture
def desktop(page: Page) -> Page:
    page.set_default_timeout(PATIENCE)
    return page


def open_training(page: Page, studio: Server) -> None:
    open_studio(page, studio)
    tab(page, "微调", "Train")
    page.wait_for_selector("#train-look")


def reach(page: Page, status: str) -> None:
    page.wait_for_selector(f'.job[data-status="{status}"]')


def serious(page: Page) -> None:
    found = axe.Axe().run(page).response["violations"]
    grave = [one for one in found if one["impact"] in ("serious", "critical")]
    assert not grave, [(one["id"], [node["html"][:160] for node in one["nodes"][:3]]) for one in grave]


def test_looked_over_started_stopped_resumed_compared_and_exported(desktop: Page, studio: Server, folder: Path):
    page = desktop
    open_training(page, studio)
    assert "先诊断" in page.inner_text("#train-state")
    assert page.locator("#train-start, #train-stop, #train-resume").count() == 0

    fill(page, "train-steps", "many")
    page.click("#train-look")
    page.wait_for_selector("#train-message .problem")
    assert "不是数" in page.inner_text("#train-message")
    fill(page, "train-steps", "12")
    page.click("#train-look")
    reach(page, "looked")
    assert page.locator("#train-message .problem").count() == 0
    assert page.locator("#train-findings tr").count() > 10
    assert page.locator('#train-findings tr[data-verdict="fault"]').count() == 0
    assert "分词器" in page.inner_text("#train-findings")
    assert fits_the_window(page)

    page.click("#train-start")
    page.wait_for_selector("#train-poems figure")
    page.wait_for_selector("#train-curve canvas, #train-curve svg")
    assert page.inner_text("#train-state .notice").startswith("进程")

    # A second page sees it, and is refused a training of its own.
    other = page.context.new_page()
    other.set_default_timeout(PATIENCE)
    open_training(other, studio)
    reach(other, "running")
    other.click("#train-look")
    other.wait_for_selector("#train-message .problem")
    assert "正在进行" in other.inner_text("#train-message")
    other.close()

    page.click("#train-stop")
    reach(page, "stopped")
    assert "检查点" in page.inner_text("#train-state")

    # The studio is started again between: what it knows lies in files.
    studio.stop()
    studio.start()
    open_training(page, studio)
    reach(page, "stopped")
    page.click("#train-resume")
    reach(page, "finished")
    assert page.get_attribute(".job .progress", "aria-valuenow") == "12"
    assert page.locator("#train-poems section").count() == 2
    page.wait_for_timeout(500)
    legend = page.locator("#train-curve svg text").all_text_contents()
    assert {"训练 training", "验证 validation"} <= set(legend)

    fill(page, "train-title", "秋江夜泊")
    page.click("#train-compare")
    page.wait_for_selector("#train-pair .side:nth-of-type(2) .verdict")
    models = page.locator("#train-pair .model").all_inner_texts()
    assert models[0] == "mini" and models[1].startswith("mini · ")
    page.wait_for_timeout(500)
    assert fits_the_window(page)
    screenshot(page, "studio-training.png")
    serious(page)

    page.click("#train-export")
    page.wait_for_selector('.job[data-status="finished"][data-stage="export-peft"]')
    assert "已导出" in page.inner_text("#train-state")
    (job,) = [path for path in folder.iterdir() if (path / "job.json").is_file()]
    assert (job / "run" / "export" / "peft" / "adapter_config.json").is_file()


def test_a_text_is_sent_from_a_phone_and_another_training_chosen(phone: Page, studio: Server, tmp_path: Path):
    phone.set_default_timeout(PATIENCE)
    open_training(phone, studio)
    reach(phone, "finished")  # the one that was trained at the desk
    text = tmp_path / "我的诗.jsonl"
    text.write_text("no JSON\n", encoding="utf-8")
    with phone.expect_file_chooser() as chooser:
        phone.click("#train-upload")
    chooser.value.set_files(text)
    phone.wait_for_selector("#train-message .notice")
    assert "我的诗.jsonl" in phone.inner_text("#train-message")
    assert "上传" in phone.input_value("#train-data input")
    phone.click("#train-look")
    reach(phone, "failed")
    phone.wait_for_selector("#train-log pre:visible")
    assert "JSON" in phone.inner_text("#train-log")
    assert phone.locator("#train-job").count() == 1 and fits_the_window(phone)
    serious(phone)

    phone.locator("#language label").nth(1).click()
    phone.wait_for_selector("#train-look:has-text('Look it over')")
    phone.wait_for_selector("#train-state:has-text('It failed')")
    phone.click("#train-job input")
    phone.locator('#train-job [role="option"]').nth(1).click()
    reach(phone, "finished")
    phone.wait_for_selector("#train-poems:has-text('to the same titles')")
    assert fits_the_window(phone)
