"""Names as staff look for them: by any part, by pinyin, by the initials of its syllables."""

import unicodedata
from functools import lru_cache

from anyascii import anyascii

# Family names that are read otherwise than the same character elsewhere.
_AS_FAMILY_NAME = {
    "万俟": "mo qi", "尉迟": "yu chi", "尉遲": "yu chi", "单于": "chan yu", "單于": "chan yu",
    "长孙": "zhang sun", "長孫": "zhang sun",
    "单": "shan", "單": "shan", "曾": "zeng", "解": "xie", "仇": "qiu", "区": "ou", "區": "ou",
    "查": "zha", "朴": "piao", "乐": "yue", "樂": "yue", "缪": "miao", "繆": "miao", "翟": "zhai",
    "员": "yun", "員": "yun", "种": "chong", "秘": "bi", "折": "she", "重": "chong", "盖": "ge",
    "蓋": "ge", "长": "chang", "長": "chang", "洗": "xian", "召": "shao", "覃": "qin", "郇": "xun",
}  # fmt: skip


def spelled(name: str) -> str:
    """
    王小明 → "wang xiao ming", Łukasz O'Neil → "lukasz oneil": what names are sorted by.

    Chinese by syllables of pinyin without tones, the family name as family names are read; other
    scripts in Latin letters. Empty for what has no letters.
    """
    family = next((name[:n] for n in (2, 1) if name[:n] in _AS_FAMILY_NAME), "")
    given = "".join(_latin(character) for character in name[len(family) :])
    return " ".join(f"{_AS_FAMILY_NAME.get(family, '')} {given}".split())


def parts(name: str) -> list[str]:
    """
    All by which a name is found, once each: its characters and pairs of neighbours in lower case,
    the pairs of its pinyin and those of its initials.
    """
    lowered = name.lower()
    syllables = spelled(name).split()
    latin = {*_pairs("".join(syllables)), *_pairs("".join(each[0] for each in syllables))}
    return sorted({*lowered, *_pairs(lowered), *latin})


def parts_sought(text: str) -> list[str]:
    """The fewest parts that a name with this text in it must have."""
    lowered = text.lower()
    return _pairs(lowered) or [lowered]


def as_pinyin(text: str) -> str:
    """
    What somebody typed, as letters of pinyin without blanks: "Wáng xiǎo" → "wangxiao", "lv" → "lu".

    Empty where it has other characters than Latin letters: it is no pinyin then.
    """
    letters = "".join(
        character
        for character in unicodedata.normalize("NFD", text.lower())
        if not (unicodedata.combining(character) or character in " '’-·")
    )
    if not (letters.isascii() and letters.isalpha()):
        return ""
    # The keyboard's v stands for ü, which is written u here.
    return letters.replace("lv", "lu").replace("nv", "nu")


def _pairs(text: str) -> list[str]:
    return [text[i : i + 2] for i in range(len(text) - 1)]


@lru_cache(maxsize=10_000)
def _latin(character: str) -> str:
    letters = "".join(c for c in anyascii(character).lower() if c.isalnum())
    match unicodedata.category(character):
        # A character of a script that joins no letters to words: a syllable of its own.
        case "Lo":
            return f" {letters} "
        case "Ll" | "Lu" | "Lt" | "Lm" | "Nd":
            return letters
        case "Zs":
            return " "
        case "Po" | "Pd":
            # 买买提·吐尔逊 and Anna-Maria are two words each, O'Neil is one.
            return "" if character in "'’" else " "
        case _:
            return ""
