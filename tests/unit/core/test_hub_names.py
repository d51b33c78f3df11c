"""What may be asked of a hub: nothing that leads out of a folder, out of a repository, or to another address."""

from __future__ import annotations

import pytest

from app.core.errors import InputError
from app.core.hub.names import hub_model

REPOSITORY, FILE = "clinic/inro-7b", "inro-7b-Q4_K_M.gguf"


@pytest.mark.parametrize(
    ("file", "name", "models", "manifest"),
    [
        ("x.gguf", "x", ["x.gguf"], "x.manifest.json"),
        ("Q4/モデル 一.gguf", "モデル 一", ["Q4/モデル 一.gguf"], "Q4/モデル 一.manifest.json"),
        ("x.Q4_K_M.gguf", "x.Q4_K_M", ["x.Q4_K_M.gguf"], "x.Q4_K_M.manifest.json"),
        (
            "a/b/x-00001-of-00003.gguf",
            "x",
            [f"a/b/x-0000{number}-of-00003.gguf" for number in (1, 2, 3)],
            "a/b/x-00001-of-00003.manifest.json",
        ),
        ("x-00001-of-00001.gguf", "x", ["x-00001-of-00001.gguf"], "x-00001-of-00001.manifest.json"),
    ],
)
def test_files_are_named_after_the_one_that_is_asked_for(
    file: str, name: str, models: list[str], manifest: str
) -> None:
    model = hub_model(REPOSITORY, file, "main")
    assert (model.name, [str(path) for path in model.model_paths]) == (name, models)
    assert str(model.manifest_path) == manifest
    assert str(model.signature_path) == manifest.replace(".json", ".sig")


@pytest.mark.parametrize("revision", ["main", "v1.0", "refs/pr/7", "a" * 40, "feature/new-quants_2"])
def test_revisions_are_branches_tags_and_commits(revision: str) -> None:
    assert hub_model(REPOSITORY, FILE, revision).revision == revision


@pytest.mark.parametrize(
    "repository",
    ["", "inro-7b", "a/b/c", "../x", "a/..", "a/.b", "/a/b", "a\\b", "https://hub.example/a/b", "a/b?x=1", "a/b#x",
     "a/b\n", "ａ/ｂ", "a b/c", "a/" + "b" * 200, "a@evil.example/b"],
)  # fmt: skip
def test_no_other_text_is_a_repository(repository: str) -> None:
    with pytest.raises(InputError, match="owner/name"):
        hub_model(repository, FILE, "main")


@pytest.mark.parametrize(
    "file",
    ["", ".gguf", "x", "x.bin", "x.gguf/", "../x.gguf", "a/../x.gguf", "a/./x.gguf", "/etc/x.gguf", "a//x.gguf",
     "..\\x.gguf", "C:\\x.gguf", "C:x.gguf", "\\\\server\\share\\x.gguf", "~/.gguf", ".hidden.gguf", "-rf.gguf",
     "a\nb.gguf", "x\0.gguf", "\u202ex.gguf", "x?y.gguf", "x*.gguf", "x|y.gguf", '"x".gguf', "x" * 300 + ".gguf",
     "\ud800.gguf", "https://hub.example/x.gguf", "x.gguf?download=true"],
)  # fmt: skip
def test_no_path_leads_elsewhere(file: str) -> None:
    with pytest.raises(InputError, match="not the path of a GGUF file"):
        hub_model(REPOSITORY, file, "main")


@pytest.mark.parametrize("file", ["x .gguf", "x..gguf", " x.gguf", "x -00001-of-00002.gguf"])
def test_no_folder_gets_a_name_that_some_systems_change(file: str) -> None:
    with pytest.raises(InputError, match="no folder can have"):
        hub_model(REPOSITORY, file, "main")


@pytest.mark.parametrize("file", ["x-00002-of-00003.gguf", "x-00000-of-00003.gguf", "x-00001-of-00000.gguf",
                                  "x-00001-of-99999.gguf"])  # fmt: skip
def test_of_several_parts_the_first_is_asked_for(file: str) -> None:
    with pytest.raises(InputError, match="give the first"):
        hub_model(REPOSITORY, file, "main")


@pytest.mark.parametrize("revision", ["", "..", "a..b", "/main", "main\n", "-x", "main?x", "a b", "x" * 300, "ｍ"])
def test_no_other_text_is_a_revision(revision: str) -> None:
    with pytest.raises(InputError, match="a branch, a tag or a commit"):
        hub_model(REPOSITORY, FILE, revision)
