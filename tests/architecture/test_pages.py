"""Pages keep up: links lead somewhere, and every configuration key is explained."""

import re
from pathlib import Path

import yaml

ROOT = Path(__file__).resolve().parents[2]
PAGES = [*ROOT.glob("*.md"), *ROOT.glob("docs/**/*.md")]


def test_links_lead_somewhere():
    broken = [
        f"{page.relative_to(ROOT)} -> {link}"
        for page in PAGES
        for link in re.findall(r"\]\(([^)#]+)[^)]*\)", page.read_text())
        if "://" not in link and not (page.parent / link).exists()
    ]
    assert not broken


def test_every_key_of_the_program_is_explained():
    keys = set(yaml.safe_load((ROOT / "Pulumi.yaml").read_text())["config"])
    page = (ROOT / "docs/reference/configuration.md").read_text()
    assert {key for key in keys if f"`{key}`" not in page} == set()
