"""The language of the interface: the desktop's own unless the person chose one, switched while the window is open.

Source texts are English; `app/resources/translations/inro_ja.ts` holds the Japanese ones. Qt sends every widget a
`LanguageChange` event when the language changes; each widget then writes its texts anew.
"""

from __future__ import annotations

import logging
from pathlib import Path
from typing import Protocol

from PySide6.QtCore import QCoreApplication, QLibraryInfo, QLocale, QObject, QTranslator, Signal

from app.core.language import Language

TRANSLATIONS = Path(__file__).parents[1] / "resources" / "translations"

_log = logging.getLogger(__name__)


class Preferences(Protocol):
    """Where the choice of the person is kept; None until there was one."""

    @property
    def language(self) -> str | None: ...

    def set_language(self, language: Language) -> None: ...


class Translation(QObject):
    """The translators installed in the application; `changed` tells the language after every switch."""

    changed = Signal(str)

    def __init__(self, application: QCoreApplication, preferences: Preferences, folder: Path = TRANSLATIONS) -> None:
        super().__init__(application)
        self._application = application
        self._preferences = preferences
        self._folder = folder
        self._installed: list[QTranslator] = []
        self.language: Language = "en"
        self._install(_known(preferences.language) or system_language())

    def use(self, language: Language) -> None:
        """Show the interface in `language` from now on, and at the next start."""
        self._preferences.set_language(language)
        if language != self.language:
            self._install(language)
            self.changed.emit(self.language)

    def _install(self, language: Language) -> None:
        self.language = language
        # Set before the translators: widgets write dates while they answer the LanguageChange event.
        QLocale.setDefault(QLocale("ja_JP" if language == "ja" else "en_US"))
        for translator in self._installed:
            self._application.removeTranslator(translator)
        self._installed = self._translators(language)
        for translator in self._installed:
            self._application.installTranslator(translator)

    def _translators(self, language: Language) -> list[QTranslator]:
        """Qt's own texts (menus of text fields) first: translators are asked from the last one back."""
        if language == "en":
            return []
        translators = []
        qt_texts = QTranslator(self)
        if qt_texts.load(f"qtbase_{language}", QLibraryInfo.path(QLibraryInfo.LibraryPath.TranslationsPath)):
            translators.append(qt_texts)
        own_texts = QTranslator(self)
        if own_texts.load(str(self._folder / f"inro_{language}.qm")):
            translators.append(own_texts)
        else:
            _log.warning("No translation for %s in %s; the interface stays English.", language, self._folder)
        return translators


def system_language() -> Language:
    """Japanese where the desktop's first language is Japanese, English everywhere else."""
    languages = QLocale.system().uiLanguages()
    return "ja" if languages and languages[0].startswith("ja") else "en"


def _known(language: str | None) -> Language | None:
    if language == "ja":
        return "ja"
    return "en" if language == "en" else None
