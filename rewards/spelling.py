"""Undoes the disguises of a word: full-width and accented letters, look-alikes, zero-width signs, leet, l e t t e r s.

Whole words are compared, never parts of one, so that "Scunthorpe" and "assess" stay what they are.
"""

import re
import unicodedata

_LOOK_ALIKES = str.maketrans(
    "авеёзікмнорстухѕјһԁѵԝӏαβεικνορτυχıɡ",
    "abeezikmhopctyxsjhdvwlabeikvoptuxig",
)
_LEET = str.maketrans("013457@$!|€", "oieastasiie")
_TOKEN = re.compile(r"[^\W_](?:[\w@$!|*€£']*[\w@$|*€£])?|[@$][\w@$!|*€£]+")
_SPACED = re.compile(r"(?<![^\W_])(?:[^\W_][ ._\-*~]{1,2}){2,}[^\W_](?![^\W_])")


def plain(text: str) -> str:
    """`text` with NFKC, case folded, accents and invisible signs gone, look-alike letters made Latin."""
    text = unicodedata.normalize("NFKD", unicodedata.normalize("NFKC", text))
    kept = "".join(c for c in text if unicodedata.category(c) not in ("Cf", "Mn", "Me"))
    return unicodedata.normalize("NFC", kept.casefold().translate(_LOOK_ALIKES))


def squeezed(text: str) -> str:
    """Only letters and digits of `plain(text)`: finds a code word whatever stands between its letters."""
    return "".join(c for c in plain(text) if c.isalnum())


def words(text: str) -> list[str]:
    """The words of `plain(text)` as they sound: leet read as letters, spaced-out letters joined."""
    flat = _SPACED.sub(lambda m: re.sub(r"[ ._\-*~]", "", m.group()), plain(text))
    return [_read_leet(token) for token in _TOKEN.findall(flat)]


def _read_leet(token: str) -> str:
    letters = sum(c.isalpha() for c in token)
    return token.translate(_LEET) if letters and not token.isalpha() else token
