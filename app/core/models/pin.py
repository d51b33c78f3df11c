"""The administrator's PIN: kept as a scrypt hash (RFC 7914), and slower to try the more wrong ones were given.

It keeps a clinician from approving a model by the way. It does not keep out who may write these files: that person can
remove the hash, and the record then says that the PIN was lost and set anew.
"""

from __future__ import annotations

import hashlib
import hmac
import math
import os
import time
import unicodedata
from collections.abc import Callable
from pathlib import Path
from typing import Annotated, Literal

import msgspec

from app.core.errors import CheckRefused, InputError
from app.core.files import read_bounded, write_atomically
from app.core.locks import exclusive

SHORTEST, LONGEST = 6, 128
FREE_ATTEMPTS = 3
FIRST_WAIT_SECONDS, LONGEST_WAIT_SECONDS = 5, 900

_MAX_FILE_BYTES = 4096
_Hex32 = Annotated[str, msgspec.Meta(pattern="^[0-9a-f]{64}$")]


class _Hash(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The parameters are stored, so that they can be raised later; their bounds keep a file from filling the memory."""

    format: Literal["inro-pin/1"] = "inro-pin/1"
    n: Annotated[int, msgspec.Meta(ge=2, le=2**17)] = 2**15
    r: Annotated[int, msgspec.Meta(ge=1, le=8)] = 8
    p: Annotated[int, msgspec.Meta(ge=1, le=4)] = 1
    salt: _Hex32
    hash: _Hex32


class _Attempts(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    wrong: Annotated[int, msgspec.Meta(ge=0, le=1_000_000)]
    """One after another."""
    last: float
    """Seconds since 1970."""


class WrongPin(CheckRefused):
    def __init__(self) -> None:
        super().__init__("The PIN is wrong.")


class TooManyWrongPins(CheckRefused):
    """`seconds` until the next attempt."""

    def __init__(self, seconds: int) -> None:
        super().__init__(f"Wrong PINs were given; wait {seconds} seconds, then try again.")
        self.seconds = seconds


class Authority:
    """That the administrator's PIN was given. Only `PinGuard` makes one, and what it allows asks for one."""


class PinGuard:
    """Args: clock: seconds since 1970."""

    def __init__(self, folder: Path, clock: Callable[[], float] = time.time) -> None:
        self._folder, self._clock = folder, clock
        self._hash_path, self._attempts_path = folder / "pin.json", folder / "attempts.json"

    @property
    def is_set(self) -> bool:
        return self._hash_path.is_file()

    def check(self, pin: str) -> Authority:
        """Raises CheckRefused for a wrong PIN, and before its time after several; InputError while none is set."""
        stored = self._stored()
        with exclusive(self._folder / "lock"):
            now = self._clock()
            attempts = self._attempts(now)
            if (wait := waiting(attempts.wrong, now - attempts.last)) > 0:
                raise TooManyWrongPins(math.ceil(wait))
            # Counted before it is known to be right: a check that is killed was an attempt too.
            self._write(_Attempts(wrong=min(attempts.wrong + 1, 1_000_000), last=now))
            if not hmac.compare_digest(_hashed(pin, stored), bytes.fromhex(stored.hash)):
                raise WrongPin
            self._attempts_path.unlink()
        return Authority()

    def set(self, pin: str) -> None:
        """Raises InputError for a PIN that is too short or too long. Whether this is allowed is the caller's to ask."""
        check_new(pin)
        stored = _Hash(salt=os.urandom(32).hex(), hash="0" * 64)
        stored = msgspec.structs.replace(stored, hash=_hashed(pin, stored).hex())
        self._folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        with exclusive(self._folder / "lock"):
            write_atomically(self._hash_path, msgspec.json.encode(stored))
            self._attempts_path.unlink(missing_ok=True)

    def _stored(self) -> _Hash:
        if not self.is_set:
            raise InputError("No administrator's PIN is set yet. Set one with: inro models pin set")
        try:
            return msgspec.json.decode(read_bounded(self._hash_path, _MAX_FILE_BYTES, "a PIN's hash"), type=_Hash)
        except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError):
            sentence = f"{self._hash_path} is damaged. Remove it and set a new PIN with: inro models pin set"
            raise InputError(sentence) from None

    def _attempts(self, now: float) -> _Attempts:
        if not self._attempts_path.is_file():
            return _Attempts(wrong=0, last=now)
        try:
            data = read_bounded(self._attempts_path, _MAX_FILE_BYTES, "a count of attempts")
            attempts = msgspec.json.decode(data, type=_Attempts)
        except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError, InputError):
            attempts = _Attempts(wrong=1_000_000, last=now)
            self._write(attempts)
        if attempts.last > now:
            # The clock was put back. The wait begins again now, rather than to last until the old time comes.
            attempts = msgspec.structs.replace(attempts, last=now)
            self._write(attempts)
        return attempts

    def _write(self, attempts: _Attempts) -> None:
        write_atomically(self._attempts_path, msgspec.json.encode(attempts))


def waiting(wrong: int, elapsed: float) -> float:
    """Seconds until the next attempt, after so many wrong ones of which the last is `elapsed` seconds ago."""
    if wrong < FREE_ATTEMPTS:
        return 0.0
    wait = FIRST_WAIT_SECONDS << min(wrong - FREE_ATTEMPTS, 20)
    return max(0.0, min(wait, LONGEST_WAIT_SECONDS) - elapsed)


def check_new(pin: str) -> None:
    """Raises InputError for a PIN that cannot be chosen."""
    if not SHORTEST <= len(_normal(pin)) <= LONGEST:
        raise InputError(f"a PIN has {SHORTEST} to {LONGEST} characters.")


def _normal(pin: str) -> str:
    # Digits that a Japanese input method made full width are the same digits.
    return unicodedata.normalize("NFKC", pin)


def _hashed(pin: str, stored: _Hash) -> bytes:
    memory = 128 * stored.r * (stored.n + stored.p + 2)
    data = _normal(pin).encode("utf-8", "surrogatepass")
    salt = bytes.fromhex(stored.salt)
    return hashlib.scrypt(data, salt=salt, n=stored.n, r=stored.r, p=stored.p, maxmem=2 * memory, dklen=32)
