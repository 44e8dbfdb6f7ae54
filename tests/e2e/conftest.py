"""A real Chromium."""

from __future__ import annotations

import shutil

import pytest
from playwright.sync_api import sync_playwright

from tests.integration.conftest import missing

CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")


@pytest.fixture(scope="module")
def browser():
    """Return the browser. Of one module: Playwright's event loop runs in this thread meanwhile, and asyncio allows no second."""
    if CHROMIUM is None:
        missing("Chromium (Debian: apt-get install chromium)")
    with sync_playwright() as playwright:
        made = playwright.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox"])
        yield made
        made.close()


@pytest.fixture
def page(browser):
    """Return a page in Berlin; what its console or its policy complains of is in `page.complaints`."""
    context = browser.new_context(timezone_id="Europe/Berlin", locale="en-GB", viewport={"width": 1440, "height": 900})
    made = context.new_page()
    made.complaints = []
    made.on(
        "console",
        lambda message: made.complaints.append(message.text) if message.type in ("error", "warning") else None,
    )
    made.on("pageerror", lambda error: made.complaints.append(str(error)))
    yield made
    context.close()
