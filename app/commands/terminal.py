"""What the commands share in a terminal: secrets that are typed, and texts from outside that are shown."""

from __future__ import annotations

import sys

from app.core.errors import InputError

_MAX_SECRET_BYTES = 1024


def read_secret(prompt: str) -> str:
    """A PIN or passphrase: typed unseen at a terminal, otherwise one line of standard input, as a script gives it.

    Never an argument: those are shown to everyone by the list of processes. Raises InputError if there is none.
    """
    if sys.stdin is not None and sys.stdin.isatty():
        import getpass

        secret = getpass.getpass(f"{prompt}: ")
    elif sys.stdin is None:
        secret = ""
    else:
        secret = _line()
    if not secret:
        what = f"{prompt[:1].lower()}{prompt[1:]}" if prompt[1:2].islower() else prompt
        raise InputError(f"there is no {what}; type it, or give it as a line of standard input.")
    return secret


def read_new_secret(prompt: str) -> str:
    """The same for a secret that is being chosen: typed twice at a terminal."""
    secret = read_secret(prompt)
    if sys.stdin is not None and sys.stdin.isatty() and read_secret(f"{prompt}, again") != secret:
        raise InputError("the two are not the same; nothing was changed.")
    return secret


class Counter:
    """Tells a person at a terminal how many bytes of a file were worked on; silent elsewhere."""

    def __init__(self, doing: str, total: int) -> None:
        self._doing, self._total, self._done = doing, total, 0
        self._shown = sys.stderr is not None and sys.stderr.isatty()

    def __call__(self, count: int) -> None:
        self._done += count
        if self._shown:
            done, total = self._done / 1e6, self._total / 1e6
            end = "\n" if self._done >= self._total else ""
            print(f"\r{self._doing} {done:,.0f} of {total:,.0f} MB", end=end, file=sys.stderr, flush=True)


def plain(text: str) -> str:
    """A text from outside for a terminal: what would move the cursor or turn the writing round is shown as U+FFFD."""
    return "".join(character if character.isprintable() else "\N{REPLACEMENT CHARACTER}" for character in text)


def _line() -> str:
    raw = sys.stdin.buffer.readline(_MAX_SECRET_BYTES + 1)
    if len(raw) > _MAX_SECRET_BYTES:
        raise InputError(f"a secret has at most {_MAX_SECRET_BYTES} bytes.")
    try:
        return raw.decode("utf-8-sig").rstrip("\r\n")
    except UnicodeDecodeError:
        raise InputError("the secret on standard input is not UTF-8 text.") from None
