"""Bring the Japanese translation up to date with the texts in app/ui, or check that it is.

usage: python packaging/translations.py [--check]
"""

from __future__ import annotations

import ast
import shutil
import subprocess
import sys
import tempfile
import xml.etree.ElementTree as ElementTree
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
CATALOGUE = ROOT / "app/resources/translations/inro_ja.ts"


def update(catalogue: Path) -> None:
    sources = sorted(str(path.relative_to(ROOT)) for path in (ROOT / "app").rglob("*.py"))
    tool = str(Path(sys.executable).with_name("pyside6-lupdate"))
    command = [tool, "-silent", "-no-obsolete", "-locations", "none", *sources, "-ts", str(catalogue)]
    subprocess.run(command, cwd=ROOT, check=True)


def messages(catalogue: Path) -> dict[tuple[str, str, str], str]:
    """(context, source, comment) → translation, empty where it is not finished."""
    found = {}
    for context in ElementTree.parse(catalogue).getroot().iter("context"):
        for message in context.iter("message"):
            translation = message.find("translation")
            unfinished = translation is None or translation.get("type") is not None
            key = (context.findtext("name", ""), message.findtext("source", ""), message.findtext("comment", ""))
            found[key] = "" if unfinished or translation is None else "".join(translation.itertext())
    return found


def hidden() -> list[str]:
    """Texts within an f-string, where lupdate does not find them."""
    found = []
    for path in sorted((ROOT / "app").rglob("*.py")):
        for outer in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(outer, ast.JoinedStr):
                calls = [node.func for node in ast.walk(outer) if isinstance(node, ast.Call)]
                names = {getattr(call, "attr", getattr(call, "id", "")) for call in calls}
                if names & {"tr", "translate"}:
                    found.append(f"{path.relative_to(ROOT)}:{outer.lineno}")
    return found


def check() -> None:
    with tempfile.TemporaryDirectory() as folder:
        fresh = Path(folder) / CATALOGUE.name
        shutil.copy(CATALOGUE, fresh)
        update(fresh)
        wanted, present = messages(fresh), messages(CATALOGUE)
    stale = sorted(set(wanted) ^ set(present))
    unfinished = sorted(key for key, text in wanted.items() if not text)
    for problem, keys in (("out of date", stale), ("not translated", unfinished)):
        for context, source, _ in keys:
            print(f"{problem}: [{context}] {source}", file=sys.stderr)
    for place in (within := hidden()):
        print(f"a text within an f-string is not found by lupdate: {place}", file=sys.stderr)
    if stale or unfinished or within:
        sys.exit("error: the translations are stale. Run `make translations` and finish app/resources/translations.")


if __name__ == "__main__":
    check() if "--check" in sys.argv else update(CATALOGUE)
