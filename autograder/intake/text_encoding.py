"""Decode a class list whose encoding nothing names.

UTF-8 and UTF-16 say what they are. Of the older encodings, charset-normalizer says which are
possible at all; but a class list is short, and in names alone it can't tell Korean from Chinese or
`Ángel` from `햚gel`. So each possible reading is looked at as a list of names: a word of one
script, capitals where names have them, accents of one language together, syllables that Koreans
bear. If more than one reading stands, the file is refused; no name is guessed.

Which encodings are read: what spreadsheets write in Korea (CP949) and in Western Europe and America
(Windows-1252, Mac OS Roman), besides Unicode.
"""

from __future__ import annotations

import codecs
import re
import unicodedata
from dataclasses import dataclass

from autograder.errors import UserError

_MARKS = (
    # The longer marks first: UTF-32's begins as UTF-16's.
    (codecs.BOM_UTF8, "utf-8-sig", "UTF-8"),
    (codecs.BOM_UTF32_LE, "utf-32", "UTF-32"),
    (codecs.BOM_UTF32_BE, "utf-32", "UTF-32"),
    (codecs.BOM_UTF16_LE, "utf-16", "UTF-16"),
    (codecs.BOM_UTF16_BE, "utf-16", "UTF-16"),
)
_UNMARKED = ("utf-16-le", "utf-16-be", "utf-32-le", "utf-32-be")
_KOREAN = "cp949"
_WESTERN = {"cp1252": "Windows-1252 (Western)", "mac_roman": "Mac OS Roman (Western)"}
_LABELS = {_KOREAN: "CP949 (Korean)", **_WESTERN}
# Others that the detector may find more fitting; a file in one of them is refused by its name.
_OTHERS = ("cp1250", "cp1251", "cp1253", "cp1254", "cp932", "gb18030", "big5", "euc_jp")

_LETTERS_OF_LANGUAGES = tuple(
    map(
        frozenset,
        (
            "áéíóúüñ",  # Spanish
            "àçéèíïóòúü",  # Catalan
            "áâãàçéêíóôõúü",  # Portuguese
            "àâæçéèêëîïôœùûüÿ",  # French
            "àèéìíòóùú",  # Italian
            "äöüßé",  # German
            "åäöéü",  # Swedish, Finnish
            "æøåéóòäö",  # Danish, Norwegian
            "áðéíóúýþæö",  # Icelandic
            "áéèëïöüó",  # Dutch
            "õäöüšž",  # Estonian
            "áéíóúýäôšž",  # Slovak and Czech, what Windows-1252 has of them
        ),
    )
)
_APOSTROPHES = "\u2019\u00b4"
_WORD = re.compile(rf"[^\W\d_]+(?:[{_APOSTROPHES}'][^\W\d_]+)*")
_BESIDE_DIGIT = re.compile(r"\d(?![a-zA-Z])[^\W\d_]|(?![a-zA-Z])[^\W\d_]\d")

# Syllables of Korean names, of foreign names in Hangul, and of what else stands in class lists.
_COMMON_SYLLABLES = frozenset(
    "가각간갈감강개거건걸검겸경계고곤골공과관광교구국군권귀규균그근글금기길김까나낙난날남내너네녀"
    "년노녹논누뉴느능니다단달담당대더덕데도독돈동두둔드득들디따라락란람랑래러런레려련렬령례로록론"
    "료루류륙륜률르름리린림립마만말망매맹머메면명모목몽묘무묵문미민바박반방배백버번범법베벨변별병보"
    "복본봉부북분브블비빈빛사산살삼상새색샘생샤서석선설섭성세센셔소손솔송쇼수숙순술슈스슬습승시식신"
    "실심십싱쌍씨아악안알암애앤야약양어언엄업에엔엘여역연열염엽영예오옥온옹와완왕외요용우욱운울웅워"
    "원월웨위윌유육윤율융으은을음응의이익인일임자작잔장재저적전절점정제젠조존종좌주준중즈즉지진집짜"
    "차찬참창채책처천철첨청체초총최추축춘출충취츠치칠카칸커케코콘쿠퀴크클키타탁탄탐태택터테토톰통투"
    "트특티파판팔퍼페편평포표푸품풍프플피필하학한할함합해행향허헌헤혁현협형혜호홍화환황회효후훈훤휘휴"
    "흐흔흠흥희히힌"
)


@dataclass(frozen=True)
class DecodedText:
    """Hold a text and how it was read.

    Attributes:
        text: in composed Unicode.
        encoding: what to call the encoding in a message.
        is_guessed: whether nothing in the file says that it is this one.
    """

    text: str
    encoding: str
    is_guessed: bool = False


def decode_list(content: bytes, name: str) -> DecodedText:
    """Decode a class list.

    Args:
        content: the file's bytes.
        name: what to call the file in a message.

    Raises:
        UserError: it isn't text in one of the known encodings, or could be in more than one.
    """
    for mark, encoding, label in _MARKS:
        if content.startswith(mark):
            return DecodedText(_strictly(content, encoding, label, name), label)
    if content.startswith(b"PK\x03\x04") or content.startswith(b"\xd0\xcf\x11\xe0"):
        raise UserError(f"{name} is a workbook; save it from the spreadsheet as CSV UTF-8.")
    if b"\x00" in content:
        return _without_mark(content, name)
    try:
        text = _composed(content.decode("utf-8"))
    except UnicodeDecodeError:
        return _chosen(_readings(content), name)
    if not content.isascii() and not _is_western(text):
        # A few Hangul syllables in CP949 are, as bytes, one accented letter each in UTF-8.
        korean = _composed(content.decode(_KOREAN, "replace"))
        if _is_hangul_alone(korean):
            raise _ambiguous(name, {"UTF-8": text, _LABELS[_KOREAN]: korean})
    return DecodedText(text, "UTF-8")


def _strictly(content: bytes, encoding: str, label: str, name: str) -> str:
    try:
        return _composed(content.decode(encoding))
    except UnicodeDecodeError:
        raise UserError(
            f"{name} begins as {label} and isn't; export it as CSV UTF-8 again."
        ) from None


def _composed(text: str) -> str:
    return unicodedata.normalize("NFC", text)


def _without_mark(content: bytes, name: str) -> DecodedText:
    for encoding in _UNMARKED:
        try:
            text = content.decode(encoding)
        except UnicodeDecodeError:
            continue
        first = re.split(r"[\r\n]", text, maxsplit=1)[0]
        if "\x00" not in text and any("a" <= letter <= "z" for letter in first.casefold()):
            return DecodedText(_composed(text), encoding[:6].upper(), is_guessed=True)
    raise UserError(f"{name} isn't text; export it as CSV UTF-8.")


def _readings(content: bytes) -> dict[str, str]:
    """Return the text in each encoding that charset-normalizer finds possible, best first."""
    from charset_normalizer import from_bytes

    found: dict[str, str] = {}
    isolated = [*_LABELS, *_OTHERS]
    for match in from_bytes(content, cp_isolation=isolated, threshold=1.0, enable_fallback=False):
        # Encodings in which the text is the same come as one.
        for encoding in [match.encoding, *match.could_be_from_charset]:
            if encoding in found or encoding not in isolated:
                continue
            try:
                found[encoding] = _composed(content.decode(encoding))
            except UnicodeDecodeError:  # it looks at parts of a long text only
                continue
    return found


def _chosen(readings: dict[str, str], name: str) -> DecodedText:
    korean = readings.get(_KOREAN)
    if korean is not None and _is_korean(korean):
        return DecodedText(korean, _LABELS[_KOREAN], is_guessed=True)
    western = {
        encoding: readings[encoding]
        for encoding in _WESTERN
        if encoding in readings and _is_western(readings[encoding])
    }
    if len(western) > 1 and "\n" not in western["mac_roman"]:
        del western["cp1252"]  # only an old Mac ends lines by a carriage return alone
    if len(set(western.values())) > 1:
        raise _ambiguous(name, {_LABELS[one]: text for one, text in western.items()})
    for encoding, text in western.items():
        return DecodedText(text, _LABELS[encoding], is_guessed=True)
    likely = next(iter(readings), "")
    guess = f" (charset-normalizer takes it for {likely})" if likely in _OTHERS else ""
    raise UserError(
        f"{name} isn't in UTF-8, and its names make no sense in {', '.join(_LABELS.values())}"
        f"{guess}; save it from the spreadsheet as CSV UTF-8."
    )


def _ambiguous(name: str, readings: dict[str, str]) -> UserError:
    shown = " or ".join(
        f"{'/'.join(telling_words(text)[:2])} in {label}" for label, text in readings.items()
    )
    return UserError(f"{name} could be read as {shown}; save it from the spreadsheet as CSV UTF-8.")


def telling_words(text: str) -> list[str]:
    """Return the words with letters outside of ASCII: they show what was understood."""
    return list(dict.fromkeys(word for word in _WORD.findall(text) if not word.isascii()))


def _is_western(text: str) -> bool:
    """Return whether all that isn't ASCII in a text is words of Western European languages."""
    rest = _WORD.sub("", text.replace(" \u2013 ", " "))
    if _BESIDE_DIGIT.search(text) or any(
        not letter.isascii() and letter != "\u00a0" for letter in rest
    ):
        return False
    return all(map(_is_western_word, telling_words(text)))


def _is_western_word(word: str) -> bool:
    accented = [letter for letter in word.casefold() if not letter.isascii()]
    letters = set(accented) - set(_APOSTROPHES)
    if "ß" in word:
        letters |= {"ß"}
    if not any(letter.isascii() and letter.isalpha() for letter in word) and (
        len(word) > 1 or not word.isupper()
    ):
        return False  # accents only, and no initial
    if letters and not any(letters <= known for known in _LETTERS_OF_LANGUAGES):
        return False
    return all(map(_has_usual_capitals, re.split(rf"[{_APOSTROPHES}']", word)))


def _has_usual_capitals(part: str) -> bool:
    """Return whether capitals beside or with accents are where names have them."""
    for at, letter in enumerate(part):
        if letter.isascii():
            continue
        if letter.isupper() and at and not part.isupper():
            return False
        if letter.islower() and part[at + 1 : at + 2].isupper():
            return False
    return True


def _is_korean(text: str) -> bool:
    """Return whether a text that was read as CP949 is likely Korean.

    CP949 reads almost any two bytes as some syllable; most of those are in no name.
    """
    foreign = [letter for letter in text if not letter.isascii() and not letter.isspace()]
    hangul = [letter for letter in foreign if "가" <= letter <= "힣"]
    if 2 * len(hangul) < len(foreign):
        return False
    # `햚gel` is `Ángel`; `A반` is a class.
    for found in re.finditer(r"[가-힣](?=[a-zA-Z])|(?<=[a-z])[가-힣]", text):
        if found[0] not in _COMMON_SYLLABLES:
            return False
    if any(not _is_korean_letter(letter) for letter in foreign):
        return False
    common = sum(letter in _COMMON_SYLLABLES for letter in hangul)
    return bool(hangul) and 2 * common >= len(hangul)


def _is_hangul_alone(text: str) -> bool:
    """Return whether all that isn't ASCII is words of syllables from KS X 1001, the usual ones."""
    words = telling_words(text)
    return bool(words) and all(
        "가" <= letter <= "힣" and min(letter.encode(_KOREAN)) > 0xA0
        for word in words
        for letter in word
    )


def _is_korean_letter(letter: str) -> bool:
    """Return whether a letter is Hangul, Hanja or the punctuation that goes with them."""
    if "가" <= letter <= "힣" or "ㄱ" <= letter <= "ㆎ":
        return True
    if unicodedata.name(letter, "").startswith("CJK "):
        return True
    return unicodedata.category(letter)[0] in "PSN" or "\uff01" <= letter <= "\uff5e"
