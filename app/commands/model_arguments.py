"""The arguments of `inro models`. Each command imports what it needs when it runs, so that `--help` answers at once."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any

_Commands = Any  # argparse gives the type of its subparsers no public name


def add_models(parser: argparse.ArgumentParser) -> None:
    commands = parser.add_subparsers(title="commands", metavar="", required=True)
    _add_library(commands)
    _add_fetching(commands)
    _add_examining(commands)
    _add_administering(commands)
    _add_signing(commands)
    _add_audit(commands)


def _add_library(commands: _Commands) -> None:
    listing = commands.add_parser("list", help="list the models of this machine")
    _add_json(listing)
    listing.set_defaults(run=_list)
    importing = commands.add_parser("import", help="check a GGUF file and copy it into the library")
    importing.add_argument("file", type=Path, help="a GGUF file, or the first of several parts")
    importing.add_argument("--manifest", type=Path, metavar="FILE", help="the manifest, if it is not beside the file")
    _add_json(importing)
    importing.set_defaults(run=_import)
    using = commands.add_parser("use", help="choose the model that answers from now on")
    using.add_argument("name", help="a name or the beginning of a sha256; `demo` for the demonstration model")
    using.set_defaults(run=_use)
    back = commands.add_parser("rollback", help="go back to the model that was in use before")
    back.set_defaults(run=_roll_back)


def _add_fetching(commands: _Commands) -> None:
    fetching = commands.add_parser(
        "fetch", help="download a model from the Hugging Face hub, on a connected machine, into a folder for the stick"
    )
    fetching.add_argument("repository", metavar="REPO", help="a repository of the hub: owner/name")
    fetching.add_argument("file", metavar="FILE", help="a GGUF file in it, or the first of several parts")
    fetching.add_argument("--revision", default="main", metavar="REV", help="a branch, tag or commit (main)")
    fetching.add_argument(
        "-o", "--out", type=Path, default=Path(), metavar="DIR", help="where the model's folder is made (here)"
    )
    _add_json(fetching)
    fetching.set_defaults(run=_fetch)


def _add_examining(commands: _Commands) -> None:
    inspecting = commands.add_parser("inspect", help="show what a model file is, and who vouches for it")
    verifying = commands.add_parser("verify", help="check a model file against its manifest and signature")
    for parser in (inspecting, verifying):
        parser.add_argument("file", type=Path, help="a GGUF file, or the first of several parts")
        parser.add_argument("--manifest", type=Path, metavar="FILE", help="the manifest, if it is not beside the file")
        _add_json(parser)
    inspecting.set_defaults(run=_inspect)
    verifying.set_defaults(run=_verify)


def _add_administering(commands: _Commands) -> None:
    for name, run, text in (
        ("approve", _approve, "let clinicians use a model (PIN)"),
        ("withdraw", _withdraw, "take an approval back, or refuse one (PIN)"),
        ("remove", _remove, "delete a model's files; its record stays (PIN)"),
    ):
        parser = commands.add_parser(name, help=text)
        parser.add_argument("name", help="a name or the beginning of a sha256")
        parser.add_argument("--reason", required=True, metavar="TEXT", help="why, for the record")
        parser.set_defaults(run=run)
    policy = commands.add_parser("policy", help="show or change what may be approved and used (PIN for a change)")
    policy.add_argument("--unsigned", choices=("allow", "refuse"), help="approve models without a trusted signature?")
    policy.add_argument("--named", choices=("allow", "refuse"), help="answer with a file that --model names?")
    _add_json(policy)
    policy.set_defaults(run=_policy)
    pin = commands.add_parser("pin", help="the administrator's PIN")
    setting = pin.add_subparsers(title="commands", metavar="", required=True).add_parser(
        "set", help="choose it, or change it; typed, or lines of standard input: the old one if there is one, the new"
    )
    setting.set_defaults(run=_pin_set)


def _add_signing(commands: _Commands) -> None:
    generating = commands.add_parser("keygen", help="make a key that signs manifests (for the model's maker)")
    generating.add_argument("name", help="who signs, as hospitals will see it")
    generating.add_argument("-o", "--out", type=Path, required=True, metavar="DIR", help="where the two files go")
    generating.add_argument(
        "--passphrase", action="store_true", help="encrypt the private key; asked for, or a line of standard input"
    )
    generating.set_defaults(run=_keygen)
    signing = commands.add_parser("sign", help="sign a manifest (for the model's maker)")
    signing.add_argument("manifest", type=Path)
    signing.add_argument("--key", type=Path, required=True, metavar="FILE", help="the private key")
    signing.set_defaults(run=_sign)
    trust = commands.add_parser("trust", help="whose signatures this machine believes")
    trusting = trust.add_subparsers(title="commands", metavar="", required=True)
    adding = trusting.add_parser("add", help="trust a key (PIN)")
    adding.add_argument("file", type=Path, help="the public file that inro models keygen made")
    adding.set_defaults(run=_trust_add)
    listing = trusting.add_parser("list", help="list the trusted keys")
    _add_json(listing)
    listing.set_defaults(run=_trust_list)
    removing = trusting.add_parser("remove", help="trust a key no longer (PIN)")
    removing.add_argument("key", help="the public file, a key id, or a name")
    removing.set_defaults(run=_trust_remove)


def _add_audit(commands: _Commands) -> None:
    audit = commands.add_parser("audit", help="the record of what was done to the models of this machine")
    auditing = audit.add_subparsers(title="commands", metavar="", required=True)
    verifying = auditing.add_parser("verify", help="find any change, gap, other order or cut of the record")
    verifying.add_argument("export", nargs="?", type=Path, help="a file that `export` wrote, instead of this machine's")
    verifying.add_argument("--expect", metavar="HASH", help="a last hash that was noted elsewhere")
    verifying.set_defaults(run=_audit_verify)
    showing = auditing.add_parser("show", help="show the record")
    showing.set_defaults(run=_audit_show)
    exporting = auditing.add_parser("export", help="write the record to a file")
    exporting.add_argument("file", type=Path)
    exporting.set_defaults(run=_audit_export)
    for reading in (verifying, showing):
        _add_json(reading)
    anew = auditing.add_parser("begin-anew", help="put a record that was changed aside, and begin another (PIN)")
    anew.add_argument("--reason", required=True, metavar="TEXT", help="why; kept in the new record")
    anew.set_defaults(run=_audit_begin_anew)


def _add_json(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--json", action="store_true", help="print one JSON object")


def _list(options: argparse.Namespace) -> int:
    from app.commands.models import list_models

    return list_models(as_json=options.json)


def _import(options: argparse.Namespace) -> int:
    from app.commands.models import import_model

    return import_model(options.file, options.manifest, as_json=options.json)


def _fetch(options: argparse.Namespace) -> int:
    from app.commands.fetching import fetch_model

    return fetch_model(options.repository, options.file, options.revision, options.out, as_json=options.json)


def _use(options: argparse.Namespace) -> int:
    from app.commands.models import use_model

    return use_model(options.name)


def _roll_back(options: argparse.Namespace) -> int:
    from app.commands.administering import roll_back

    return roll_back()


def _approve(options: argparse.Namespace) -> int:
    from app.commands.administering import approve

    return approve(options.name, options.reason)


def _withdraw(options: argparse.Namespace) -> int:
    from app.commands.administering import withdraw

    return withdraw(options.name, options.reason)


def _remove(options: argparse.Namespace) -> int:
    from app.commands.administering import remove

    return remove(options.name, options.reason)


def _policy(options: argparse.Namespace) -> int:
    from app.commands.administering import policy

    return policy(options.unsigned, options.named, as_json=options.json)


def _pin_set(options: argparse.Namespace) -> int:
    from app.commands.administering import set_pin

    return set_pin()


def _inspect(options: argparse.Namespace) -> int:
    from app.commands.examining import inspect

    return inspect(options.file, options.manifest, as_json=options.json)


def _verify(options: argparse.Namespace) -> int:
    from app.commands.examining import verify

    return verify(options.file, options.manifest, as_json=options.json)


def _keygen(options: argparse.Namespace) -> int:
    from app.commands.signing import keygen

    return keygen(options.name, options.out, with_passphrase=options.passphrase)


def _sign(options: argparse.Namespace) -> int:
    from app.commands.signing import sign_manifest

    return sign_manifest(options.manifest, options.key)


def _trust_add(options: argparse.Namespace) -> int:
    from app.commands.signing import trust_add

    return trust_add(options.file)


def _trust_list(options: argparse.Namespace) -> int:
    from app.commands.signing import trust_list

    return trust_list(as_json=options.json)


def _trust_remove(options: argparse.Namespace) -> int:
    from app.commands.signing import trust_remove

    return trust_remove(options.key)


def _audit_verify(options: argparse.Namespace) -> int:
    from app.commands.audit import verify

    return verify(options.export, options.expect, as_json=options.json)


def _audit_show(options: argparse.Namespace) -> int:
    from app.commands.audit import show

    return show(as_json=options.json)


def _audit_begin_anew(options: argparse.Namespace) -> int:
    from app.commands.audit import begin_anew

    return begin_anew(options.reason)


def _audit_export(options: argparse.Namespace) -> int:
    from app.commands.audit import export

    return export(options.file)
