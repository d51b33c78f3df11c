"""Deeds on models: who may answer, why not, and what the record says of it."""

from __future__ import annotations

import datetime
from pathlib import Path

import pytest

from app.core.errors import CheckRefused, InputError, NotApproved
from app.core.models import events
from app.core.models.administration import Administration
from app.core.models.approvals import Approvals
from app.core.models.importing import Placed
from app.core.models.library import InstalledModel, ModelLibrary
from app.core.models.manifest import manifest_path
from app.core.models.pin import Authority, PinGuard
from app.core.models.record import Record
from app.core.models.selection import SelectedModel, select
from app.core.models.standing import Policy
from app.core.paths import Paths
from app.core.settings import Settings, read_settings
from tests.manifests import Signer, describe, new_signer
from tests.tiny_models import tiny_gguf

TODAY = datetime.date(2026, 11, 27)


def administration_of(home: Paths, backend: str = "engine 1", today: datetime.date = TODAY) -> Administration:
    return Administration(home, backend=lambda: backend, today=lambda: today)


@pytest.fixture
def authority(home: Paths) -> Authority:
    guard = PinGuard(home.administrator)
    administration_of(home).set_pin(guard, None, "hinode-42")
    return guard.check("hinode-42")


@pytest.fixture
def signer(tmp_path: Path) -> Signer:
    return new_signer(tmp_path / "keys")


@pytest.fixture
def office(home: Paths, authority: Authority, signer: Signer) -> Administration:
    """Where a signer is trusted."""
    office = administration_of(home)
    office.trust(authority, signer.public)
    return office


def bring(home: Paths, folder: Path, signer: Signer | None, seed: int = 0, **changes: object) -> InstalledModel:
    """Import a model of its own, signed if there is a signer."""
    folder.mkdir(exist_ok=True)
    model = tiny_gguf(folder / f"model-{seed}.gguf", seed=seed)
    manifest = describe(model, **{"name": f"model-{seed}", **changes})
    if signer is not None:
        signer.sign(manifest)
    *_, last = administration_of(home).bring_in(model).steps()
    assert isinstance(last, Placed)
    return last.model


def spoil(path: Path, data: bytearray) -> None:
    path.chmod(0o644)  # it is kept read-only
    path.write_bytes(data)


@pytest.fixture
def model(home: Paths, office: Administration, signer: Signer, tmp_path: Path) -> InstalledModel:
    """Imported, signed by whom the machine trusts, waiting."""
    return bring(home, tmp_path / "stick", signer)


def approvals_of(home: Paths, backend: str = "engine 1") -> Approvals:
    return Approvals(Record(home.record), lambda: backend)


def selected(home: Paths, backend: str = "engine 1") -> SelectedModel:
    return select(None, read_settings(home.settings), home, approvals_of(home, backend))


def what_happened(home: Paths) -> list[str]:
    return [str(line.event.__struct_config__.tag) for line in Record(home.record).read().lines]


def test_from_import_to_answering(
    home: Paths, office: Administration, authority: Authority, model: InstalledModel, signer: Signer
) -> None:
    with pytest.raises(NotApproved, match="waits for an administrator's approval"):
        office.use("model-0")
    office.approve(authority, "model-0", "  scored 81 %,\n as its maker says ")
    assert office.use("model-0") == "model-0"
    assert selected(home).sha256 == model.sha256
    approved = Record(home.record).read().lines[-2].event
    assert approved == events.Approved(
        model=model.sha256,
        name="model-0",
        manifest_sha256=office.standing().models[model.sha256].manifest_sha256,
        key_id=signer.public.key_id,
        backend="engine 1",
        reason="scored 81 %, as its maker says",
    )
    assert what_happened(home) == ["begun", "pin_set", "key_trusted", "imported", "approved", "switched"]


def test_settings_alone_choose_nothing(home: Paths, model: InstalledModel) -> None:
    with pytest.raises(NotApproved):
        select(None, Settings(model=model.sha256), home, approvals_of(home))


def test_a_new_engine_asks_for_approval_again_and_is_written_down_once(
    home: Paths, office: Administration, authority: Authority, model: InstalledModel
) -> None:
    office.approve(authority, "model-0", "good")
    office.use("model-0")
    for _ in range(2):
        with pytest.raises(NotApproved, match="the engine was updated"):
            selected(home, "engine 2")
    assert what_happened(home).count("backend_changed") == 1
    administration_of(home, "engine 2").approve(authority, "model-0", "still good")
    assert selected(home, "engine 2").sha256 == model.sha256


@pytest.mark.parametrize("reason", ["", "  \n ", "x" * 2001])
def test_a_reason_is_asked_for(
    office: Administration, authority: Authority, model: InstalledModel, reason: str
) -> None:
    for deed in (office.approve, office.withdraw, office.remove):
        with pytest.raises(InputError, match="reason"):
            deed(authority, "model-0", reason)
    assert office.standing().models[model.sha256].state == "waiting"


def test_unsigned_models_are_approved_where_the_policy_says_so(
    home: Paths, office: Administration, authority: Authority, tmp_path: Path
) -> None:
    added = bring(home, tmp_path / "stick", None)
    with pytest.raises(CheckRefused, match="policy asks for a trusted signature"):
        office.approve(authority, "model-0", "good")
    office.set_policy(authority, "allow", None)
    office.approve(authority, "model-0", "good")
    assert office.standing().models[added.sha256].key_id == ""
    office.set_policy(authority, "refuse", None)
    with pytest.raises(NotApproved, match="policy now asks"):
        office.use("model-0")


def test_a_key_of_which_the_record_knows_nothing_is_not_trusted(
    home: Paths, office: Administration, authority: Authority, tmp_path: Path
) -> None:
    stranger = new_signer(tmp_path / "stranger", "Stranger")
    path = home.trusted_keys / f"{stranger.public.key_id}.json"
    path.write_bytes(stranger.public_path.read_bytes())
    bring(home, tmp_path / "stick", stranger)
    with pytest.raises(CheckRefused, match="does not trust"):
        office.approve(authority, "model-0", "good")


def test_a_key_no_longer_trusted_takes_its_approvals_along(
    home: Paths, office: Administration, authority: Authority, model: InstalledModel, signer: Signer
) -> None:
    office.approve(authority, "model-0", "good")
    office.use("model-0")
    office.distrust(authority, signer.public)
    with pytest.raises(NotApproved, match="key that its manifest is signed with is no longer trusted"):
        selected(home)


def test_an_expired_model_is_neither_approved_nor_chosen(
    home: Paths, office: Administration, authority: Authority, signer: Signer, tmp_path: Path
) -> None:
    bring(home, tmp_path / "stick", signer, expires=TODAY)
    tomorrow = administration_of(home, today=TODAY + datetime.timedelta(days=1))
    with pytest.raises(CheckRefused, match="2026-11-27 only"):
        tomorrow.approve(authority, "model-0", "good")
    office.approve(authority, "model-0", "good")
    with pytest.raises(CheckRefused, match="2026-11-27 only"):
        tomorrow.use("model-0")
    assert office.use("model-0") == "model-0"


def test_a_model_that_expires_in_use_goes_on_answering_and_is_marked(
    home: Paths, office: Administration, authority: Authority, signer: Signer, tmp_path: Path
) -> None:
    bring(home, tmp_path / "stick", signer, expires=TODAY)
    office.approve(authority, "model-0", "good")
    office.use("model-0")
    assert selected(home).expired(TODAY) is None
    assert selected(home).expired(TODAY + datetime.timedelta(days=1)) == TODAY


def test_nobody_goes_back_to_a_model_that_has_expired(
    home: Paths, office: Administration, authority: Authority, signer: Signer, tmp_path: Path
) -> None:
    for seed, expires in enumerate((None, TODAY, None)):
        bring(home, tmp_path / "stick", signer, seed=seed, expires=expires)
        office.approve(authority, f"model-{seed}", "good")
        office.use(f"model-{seed}")
    tomorrow = administration_of(home, today=TODAY + datetime.timedelta(days=1))
    for administration, name in ((office, "model-1"), (tomorrow, "model-0")):
        back = administration.overview().back_to
        assert back is not None
        assert back.name == name
    assert tomorrow.roll_back() == "model-0"


@pytest.mark.parametrize("suffix", [".gguf", ".manifest.json", ".manifest.sig"])
def test_every_file_that_was_changed_after_the_import_is_found(
    office: Administration, authority: Authority, model: InstalledModel, suffix: str
) -> None:
    path = model.path.with_suffix(suffix)
    data = bytearray(path.read_bytes())
    position = data.index(b"model-0") if suffix == ".manifest.json" else len(data) - 10
    data[position] ^= 1
    spoil(path, data)
    with pytest.raises(CheckRefused, match="was changed"):
        office.approve(authority, model.sha256[:12], "good")


@pytest.mark.parametrize("suffix", [".gguf", ".manifest.json"])
def test_every_file_that_was_changed_after_the_approval_is_found(
    home: Paths, office: Administration, authority: Authority, model: InstalledModel, suffix: str
) -> None:
    office.approve(authority, "model-0", "good")
    office.use("model-0")
    path = model.path.with_suffix(suffix)
    data = bytearray(path.read_bytes())
    data[-4] ^= 1
    spoil(path, data)
    with pytest.raises(CheckRefused, match="was changed"):
        selected(home)


def test_another_manifest_asks_for_approval_again(
    home: Paths, office: Administration, authority: Authority, model: InstalledModel, signer: Signer, tmp_path: Path
) -> None:
    office.approve(authority, "model-0", "good")
    office.use("model-0")
    bring(home, tmp_path / "stick", signer)
    assert selected(home).sha256 == model.sha256
    bring(home, tmp_path / "stick", signer, licence="other")
    with pytest.raises(NotApproved, match="another manifest"):
        selected(home)


def test_withdrawing_removing_and_going_back(
    home: Paths, office: Administration, authority: Authority, model: InstalledModel, signer: Signer, tmp_path: Path
) -> None:
    second = bring(home, tmp_path / "stick", signer, seed=1)
    with pytest.raises(InputError, match="no model was in use before"):
        office.roll_back()
    for name in ("model-0", "model-1"):
        office.approve(authority, name, "good")
        office.use(name)
    assert office.roll_back() == "model-0"
    assert selected(home).sha256 == model.sha256
    office.use("model-1")
    office.withdraw(authority, "model-1", "it errs on doses")
    with pytest.raises(NotApproved, match=r"its approval was withdrawn \(it errs on doses\)"):
        selected(home)
    with pytest.raises(CheckRefused, match="is in use"):
        office.remove(authority, "model-1", "it errs")
    assert office.roll_back() == "model-0"
    office.remove(authority, "model-1", "it errs")
    assert [found.sha256 for found in ModelLibrary(home.models).models()] == [model.sha256]
    assert office.standing().models[second.sha256].state == "removed"
    assert office.roll_back() == "demo"
    assert read_settings(home.settings).model is None


def test_a_removed_model_that_comes_back_waits(
    home: Paths, office: Administration, authority: Authority, model: InstalledModel, signer: Signer, tmp_path: Path
) -> None:
    office.approve(authority, "model-0", "good")
    office.remove(authority, "model-0", "old")
    bring(home, tmp_path / "stick", signer)
    with pytest.raises(NotApproved, match="waits"):
        office.use("model-0")


def test_a_file_named_by_a_person_is_refused_where_the_policy_says_so(
    home: Paths, office: Administration, authority: Authority, tiny_model: Path
) -> None:
    assert select(tiny_model, Settings(), home, approvals_of(home)).path == tiny_model
    office.set_policy(authority, None, "refuse")
    with pytest.raises(NotApproved, match="approved models only"):
        select(tiny_model, Settings(), home, approvals_of(home))
    assert select(None, Settings(), home).demonstration


def test_a_file_named_by_a_person_is_refused_if_its_signature_does_not_fit(
    home: Paths, office: Administration, signer: Signer, tmp_path: Path
) -> None:
    model = tiny_gguf(tmp_path / "named.gguf")
    papers = describe(model)

    def chosen() -> SelectedModel:
        return select(model, Settings(), home, approvals_of(home))

    assert chosen().manifest is not None  # nobody signed it
    new_signer(tmp_path / "others").sign(papers)
    assert chosen().manifest is not None  # whoever signed it is not known here
    signature = signer.sign(papers)
    assert chosen().manifest is not None
    sound = papers.read_bytes()
    papers.write_bytes(sound.replace(b'"named"', b'"famed"'))
    with pytest.raises(CheckRefused, match=r"named\.gguf cannot be used: the signature does not fit"):
        chosen()
    papers.write_bytes(sound)
    signature.write_bytes(b"{}")
    with pytest.raises(CheckRefused, match="the signature does not fit"):
        chosen()


def test_a_pin_that_was_lost_is_set_anew_and_that_is_seen(home: Paths, authority: Authority) -> None:
    office, guard = administration_of(home), PinGuard(home.administrator)
    with pytest.raises(InputError, match="a PIN is set"):
        office.set_pin(guard, None, "another-1")
    office.set_pin(guard, authority, "another-1")
    (home.administrator / "pin.json").unlink()
    office.set_pin(guard, None, "another-2")
    pins = [line.event for line in Record(home.record).read().lines if isinstance(line.event, events.PinSet)]
    assert [pin.before for pin in pins] == ["none", "known", "lost"]


def test_a_changed_record_lets_no_model_answer_but_the_demonstration(
    home: Paths, office: Administration, authority: Authority, model: InstalledModel
) -> None:
    office.approve(authority, "model-0", "good")
    office.use("model-0")
    path = home.record / "record.jsonl"
    path.write_bytes(path.read_bytes().replace(b"good", b"bad!"))
    with pytest.raises(CheckRefused, match="record of models"):
        selected(home)
    with pytest.raises(CheckRefused, match="record of models"):
        office.use("model-0")
    assert select(None, Settings(), home).demonstration


def test_in_a_record_begun_anew_nothing_is_approved_or_trusted(
    home: Paths, office: Administration, authority: Authority, model: InstalledModel
) -> None:
    guard = PinGuard(home.administrator)
    office.approve(authority, "model-0", "good")
    office.use("model-0")
    office.set_policy(authority, "allow", "refuse")
    with pytest.raises(InputError, match="the record is sound"):
        office.begin_anew(guard, authority, "why not")
    (home.record / "head.json").unlink()
    with pytest.raises(InputError, match="a PIN is set"):
        office.begin_anew(guard, None, "a power cut")
    with pytest.raises(InputError, match="give a reason"):
        office.begin_anew(guard, authority, "  ")
    anew = office.begin_anew(guard, authority, "a power cut")
    assert (anew.reason, anew.pin) == ("a power cut", "given")
    assert (home.record / anew.aside / "record.jsonl").is_file()
    standing = office.standing()
    assert (standing.models, standing.policy, standing.keys) == ({}, Policy(), {})
    assert office.trusted() == {}
    with pytest.raises(NotApproved, match="waits for an administrator's approval"):
        office.use("model-0")
    assert selected(home).demonstration
    # That a PIN was set is not forgotten.
    (home.administrator / "pin.json").unlink()
    office.set_pin(guard, None, "another-1")
    assert Record(home.record).read().lines[-1].event == events.PinSet(before="lost")


def test_without_a_pin_a_record_is_begun_anew_and_that_is_seen(home: Paths, tmp_path: Path) -> None:
    office, guard = administration_of(home), PinGuard(home.administrator)
    bring(home, tmp_path / "stick", None)
    (home.record / "head.json").write_text("{}")
    assert office.begin_anew(guard, None, "a power cut").pin == "none"
    assert not office.standing().pin_set


def test_a_manifest_that_is_a_link_elsewhere_is_replaced_and_not_followed(
    home: Paths, model: InstalledModel, signer: Signer, tmp_path: Path
) -> None:
    precious = tmp_path / "precious"
    precious.write_text("kept")
    path = manifest_path(model.path)
    path.unlink()
    path.symlink_to(precious)
    bring(home, tmp_path / "stick", signer)
    assert precious.read_text() == "kept"
    assert not path.is_symlink()
