"""What the record of this machine's models can say. The names and fields of events are never changed, only added to.

A model is named by its SHA-256; empty is the demonstration model, which ships with the application.
"""

from __future__ import annotations

from typing import Annotated, Literal

import msgspec

MAX_REASON_CHARACTERS = 2000

Sha256 = Annotated[str, msgspec.Meta(pattern="^[0-9a-f]{64}$")]
MaybeSha256 = Annotated[str, msgspec.Meta(pattern="^([0-9a-f]{64})?$")]
MaybeKeyId = Annotated[str, msgspec.Meta(pattern="^([0-9a-f]{16})?$")]
Name = Annotated[str, msgspec.Meta(max_length=300)]
Reason = Annotated[str, msgspec.Meta(min_length=1, max_length=MAX_REASON_CHARACTERS)]
Rule = Literal["allow", "refuse"]


def recorded_name(text: str) -> str:
    """A name from outside as the record can hold it: a file's may be no Unicode."""
    return text.encode("utf-8", "replace").decode("utf-8")[:300]


class _Event(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, omit_defaults=True):
    """The base of all events. A field that is added later has a default, which is not written: old lines stay as they
    are."""


class Begun(_Event, tag="begun", frozen=True):
    """The first line: which installation this is the record of."""

    installation: Annotated[str, msgspec.Meta(pattern="^[0-9a-f]{32}$")]
    computer: Name


class BegunAnew(_Event, tag="begun_anew", frozen=True):
    """The second line of a record that took the place of one that was changed, which is kept in the folder `aside`.

    `record_sha256` and `head_sha256` are of its files as they were found; empty for one that was not there or no file
    of a record. `pin`: it was given, or none was set.
    """

    aside: Name
    record_sha256: MaybeSha256
    head_sha256: MaybeSha256
    problem: Name
    """What was wrong with it, as the end of a sentence."""
    reason: Reason
    pin: Literal["given", "none"]


class Imported(_Event, tag="imported", frozen=True):
    """`key_id` is that of the trusted key which signed the manifest; empty without one. So is `manifest_sha256`.

    `parts` stands for the further files of a model in several (`library.parts_digest`).
    """

    model: Sha256
    name: Name
    manifest_sha256: MaybeSha256
    key_id: MaybeKeyId
    parts: MaybeSha256 = ""


class Approved(_Event, tag="approved", frozen=True):
    """For use with this manifest and this engine."""

    model: Sha256
    name: Name
    manifest_sha256: MaybeSha256
    key_id: MaybeKeyId
    backend: Name
    reason: Reason
    parts: MaybeSha256 = ""


class Withdrawn(_Event, tag="withdrawn", frozen=True):
    """An approval taken back, or refused."""

    model: Sha256
    name: Name
    reason: Reason


class Removed(_Event, tag="removed", frozen=True):
    model: Sha256
    name: Name
    reason: Reason


class Switched(_Event, tag="switched", frozen=True):
    """Another model answers."""

    model: MaybeSha256
    name: Name


class RolledBack(_Event, tag="rolled_back", frozen=True):
    """The model that was in use before answers again."""

    model: MaybeSha256
    name: Name


class PolicyChanged(_Event, tag="policy_changed", frozen=True):
    """`unsigned`: may a model without a trusted signature be approved? `named`: may a person answer with a file named
    on the command line, which nobody approved?"""

    unsigned: Rule
    named: Rule


class KeyTrusted(_Event, tag="key_trusted", frozen=True):
    key_id: MaybeKeyId
    name: Name


class KeyDistrusted(_Event, tag="key_distrusted", frozen=True):
    key_id: MaybeKeyId
    name: Name


class PinSet(_Event, tag="pin_set", frozen=True):
    """`before`: there was none, it was typed, or its file was gone."""

    before: Literal["none", "known", "lost"]


class BackendChanged(_Event, tag="backend_changed", frozen=True):
    """The engine that the application runs is another than before."""

    backend: Name


Event = (
    Begun
    | BegunAnew
    | Imported
    | Approved
    | Withdrawn
    | Removed
    | Switched
    | RolledBack
    | PolicyChanged
    | KeyTrusted
    | KeyDistrusted
    | PinSet
    | BackendChanged
)


class Line(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """`previous` is the SHA-256 of the line before, without its line feed; zeros before the first."""

    number: Annotated[int, msgspec.Meta(ge=1)]
    time: Annotated[str, msgspec.Meta(pattern=r"^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ$")]
    """UTC."""
    user: Name
    event: Event
    previous: Sha256
