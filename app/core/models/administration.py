"""What a person does to the models of this machine: each deed is decided on the record and is one line of it."""

from __future__ import annotations

import datetime
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

from app.core.engine.build import installed_build
from app.core.engine.gauge import Gauge
from app.core.errors import CheckRefused, InputError
from app.core.models import events
from app.core.models.approvals import Approvals, check_approved
from app.core.models.events import MAX_REASON_CHARACTERS, Event, Rule, recorded_name
from app.core.models.examination import Objected, Objection, examine, objections
from app.core.models.importing import Import, Prepared
from app.core.models.keys import TrustedKeys
from app.core.models.library import InstalledModel, ModelLibrary, parts_digest
from app.core.models.overview import Overview, overview
from app.core.models.pin import Authority, PinGuard, check_new
from app.core.models.record import Record
from app.core.models.signing import PublicKey
from app.core.models.standing import DEMONSTRATION, Standing, fold, previous
from app.core.paths import Paths
from app.core.settings import read_settings, write_settings

DEMONSTRATION_NAME = "demo"
"""What a person calls the demonstration model."""


class InUse(CheckRefused):
    def __init__(self, name: str) -> None:
        super().__init__(f"{name} is in use. Choose another one first: inro models use NAME")


class Administration:
    """Whatever takes an `Authority` is the administrator's to do.

    Every method raises CheckRefused when the record was changed.

    Args:
        backend: the engine that the application runs; an approval is for one engine.
        today: the day by which a model has expired or not.
    """

    def __init__(
        self,
        paths: Paths,
        record: Record | None = None,
        backend: Callable[[], str] = installed_build,
        today: Callable[[], datetime.date] = datetime.date.today,
    ) -> None:
        self.record = record or Record(paths.record)
        self._paths, self._today = paths, today
        self._backend, self._approvals = backend, Approvals(self.record, backend)
        self._library, self._keys = ModelLibrary(paths.models), TrustedKeys(paths.trusted_keys)

    def standing(self) -> Standing:
        """How the models stand now."""
        return self._approvals.standing()

    def trusted(self) -> dict[str, PublicKey]:
        """The trusted keys: those that lie here and that the record knows of."""
        return self._keys.known(self.standing().keys)

    def overview(self) -> Overview:
        """All models of this machine, as a person is shown them."""
        chosen = read_settings(self._paths.settings).model
        return overview(self._library, self.standing(), self.trusted(), chosen, self._today())

    def bring_in(self, source: Path, manifest: Path | None = None, gauge: Gauge | None = None) -> Import:
        """The import of a file, to be run; the record says what came before the library has it.

        With a `gauge`, which measures this machine, a step tells what speed to expect.
        """

        def write_down(prepared: Prepared) -> None:
            self.record.append(
                events.Imported(
                    model=prepared.sha256,
                    name=recorded_name(prepared.name),
                    manifest_sha256=prepared.manifest_sha256,
                    key_id=prepared.key_id,
                    parts=prepared.parts,
                )
            )

        return Import(self._library, source, self.trusted(), write_down, manifest=manifest, gauge=gauge)

    def approve(
        self,
        authority: Authority,
        name: str,
        reason: str,
        on_bytes: Callable[[int], None] | None = None,
        manifest_sha256: str | None = None,
    ) -> InstalledModel:
        """Let clinicians use a model, with the manifest it has now and this engine; its files are read again.

        `manifest_sha256` is of the manifest that a person was shown, empty for none; another one is refused. What
        `on_bytes` raises ends the approval.

        Raises:
            InputError: there is no such model, or no reason.
            CheckRefused: it was changed, is expired, is not signed where it must be, or its manifest says otherwise.
        """
        model, reason = self._library.find(name), _reason(reason)
        standing = self.standing()
        examined = examine(model.path, self.trusted())
        if found := objections(examined, self._today(), unsigned_allowed=standing.policy.unsigned == "allow"):
            raise Objected(model.name, "approved", found[0])
        if manifest_sha256 is not None and examined.manifest_sha256 != manifest_sha256:
            other = Objection("other_manifest", "It came with another manifest in the meantime; look at it again.")
            raise Objected(model.name, "approved", other)
        hashes = model.hashes(on_bytes)
        manifest, parts = examined.manifest, parts_digest(hashes[1:])
        known = standing.models.get(model.sha256)
        described = (manifest.sha256, *(part.sha256 for part in manifest.parts)) if manifest else hashes
        if hashes[0] != model.sha256 or hashes != described or (known and known.parts != parts):
            changed = f"{model.path.name} is not the file that was imported: it was changed or is incomplete."
            raise Objected(model.name, "approved", Objection("changed", changed))
        approved = events.Approved(
            model=model.sha256,
            name=recorded_name(model.name),
            manifest_sha256=examined.manifest_sha256,
            key_id=examined.signature.key_id if examined.signature.state == "valid" else "",
            backend=self._backend(),
            reason=reason,
            parts=parts,
        )
        with self.record.open() as chain:
            # Reading the file took its time.
            if (now := fold(chain.lines)).policy != standing.policy or now.keys != standing.keys:
                raise CheckRefused("The policy or the trusted keys were changed in the meantime; approve again.")
            chain.append(approved)
        return model

    def withdraw(self, authority: Authority, name: str, reason: str) -> InstalledModel:
        """Take an approval back, or refuse one. Raises InputError if there is no such model, or no reason."""
        model = self._library.find(name)
        self.record.append(events.Withdrawn(model=model.sha256, name=recorded_name(model.name), reason=_reason(reason)))
        return model

    def remove(self, authority: Authority, name: str, reason: str) -> InstalledModel:
        """Delete a model's files; what was recorded of it stays.

        Raises InputError if there is no such model, or no reason; CheckRefused while it is in use.
        """
        model, reason = self._library.find(name), _reason(reason)
        if read_settings(self._paths.settings).model == model.sha256:
            raise InUse(model.name)
        self.record.append(events.Removed(model=model.sha256, name=recorded_name(model.name), reason=reason))
        self._library.remove(model)
        return model

    def use(self, name: str) -> str:
        """Let a model answer from the next start on; its name.

        Raises InputError if there is none of that name, NotApproved if it may not be used, CheckRefused if its last day
        is past.
        """
        if name == DEMONSTRATION_NAME:
            self._switch(events.Switched(model=DEMONSTRATION, name=DEMONSTRATION_NAME))
            return DEMONSTRATION_NAME
        model = self._library.find(name)
        check_approved(self.standing().of(model.sha256, model.name))
        if self._expired(model):
            assert model.manifest is not None
            sentence = f"Its maker stands by it until {model.manifest.expires} only, and that day is past."
            raise Objected(model.name, "used", Objection("expired", sentence))
        self._switch(events.Switched(model=model.sha256, name=recorded_name(model.name)))
        return model.name

    def roll_back(self, to: str | None = None) -> str:
        """Let the model answer that was in use before; its name. One whose last day is past is passed over.

        Raises InputError if there is none that may, or it is not the one that a person was offered, `to` (its SHA-256).
        """
        standing = self.standing()
        there = {model.sha256: model.name for model in self._library.models() if not self._expired(model)}
        model = previous(standing, there)
        if model is None:
            raise InputError("no model was in use before, or none that may be used now. See: inro models list")
        if to is not None and model != to:
            raise InputError("the model that was in use before cannot be used any more. See: inro models list")
        name = there.get(model, DEMONSTRATION_NAME)
        self._switch(events.RolledBack(model=model, name=recorded_name(name)))
        return name

    def set_policy(self, authority: Authority, unsigned: Rule | None, named: Rule | None) -> None:
        """None leaves a rule as it is."""
        with self.record.open() as chain:
            policy = fold(chain.lines).policy
            chain.append(events.PolicyChanged(unsigned=unsigned or policy.unsigned, named=named or policy.named))

    def trust(self, authority: Authority, key: PublicKey) -> None:
        # First the line: a key that is believed is never one that nobody is seen to have added.
        self.record.append(events.KeyTrusted(key_id=key.key_id, name=key.name))
        self._keys.add(key)

    def distrust(self, authority: Authority, key: PublicKey) -> None:
        self.record.append(events.KeyDistrusted(key_id=key.key_id, name=key.name))
        self._keys.remove(key)

    def set_pin(self, guard: PinGuard, authority: Authority | None, pin: str) -> None:
        """Raises InputError for a PIN that cannot be chosen, and for none given where one is set."""
        if guard.is_set and authority is None:
            raise InputError("a PIN is set; give it before the new one.")
        check_new(pin)
        with self.record.open() as chain:
            lost = fold(chain.lines).pin_set
            chain.append(events.PinSet(before="known" if guard.is_set else "lost" if lost else "none"))
        guard.set(pin)

    def begin_anew(self, guard: PinGuard, authority: Authority | None, reason: str) -> events.BegunAnew:
        """Put a record that was changed aside and begin another: no model is approved and no key trusted in it, the
        policy is the one of the beginning, and the demonstration model answers from the next start on.

        Raises InputError for a sound record, without a reason, and for no authority where a PIN is set.
        """
        if guard.is_set and authority is None:
            raise InputError("a PIN is set; give it first.")
        anew = self.record.begin_anew(_reason(reason), "given" if guard.is_set else "none")
        self._choose(DEMONSTRATION)  # as the new record has it
        return anew

    def _expired(self, model: InstalledModel) -> bool:
        return model.manifest is not None and model.manifest.expired(self._today())

    def _switch(self, event: Event) -> None:
        assert isinstance(event, events.Switched | events.RolledBack)
        self.record.append(event)
        self._choose(event.model)

    def _choose(self, model: str) -> None:
        settings = read_settings(self._paths.settings)
        write_settings(self._paths.settings, replace(settings, model=model or None))


def _reason(text: str) -> str:
    reason = " ".join(text.split())
    if not reason or len(reason) > MAX_REASON_CHARACTERS:
        raise InputError(f"give a reason of 1 to {MAX_REASON_CHARACTERS:,} characters with --reason.")
    return reason
