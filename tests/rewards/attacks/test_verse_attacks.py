"""Hacks of verse: each earns nothing, its honest twin everything."""

import pytest

from rewards.transcript import Message, Transcript
from rewards.verse import keeps_form

POEM = "The pond lies so still,\nthen a green frog leaps and lands:\nrings upon the rings."
HAIKU = {"syllables": [[5, 5], [7, 7], [5, 5]], "words": ["frog"]}
NO_ART = HAIKU | {"forbidden": ["art"]}
PAIR = {"syllables": [[4, 8]] * 2, "rhymes": "AA"}
TWO = {"syllables": [[4, 9]] * 2, "words": ["sea"]}
ATTACKS = {
    "32-title only": (HAIKU, "The Frog", POEM),
    "32-empty lines": (HAIKU, "frog\n-\n-", POEM),
    "32-dots": (HAIKU, ".....\n.......\n.....", POEM),
    "32-a title on top": (HAIKU, f"The Frog\n{POEM}", POEM),
    "32-praise below": (HAIKU, f"{POEM}\nI hope you like it!", POEM),
    "32-nouns only": (
        HAIKU,
        "frog table river\nwindow garden candle stone\nmountain sailor bread",
        POEM,
    ),
    "32-one word": (HAIKU, "\n".join(" ".join(["frog"] * n) for n in (5, 7, 5)), POEM),
    "32-articles between nouns": (
        TWO,
        "the sea the river the stone\nthe sky the mountain the bread",
        "the sea is a river of stone\nand the sky is a mountain of bread",
    ),
    "32-articles in a row": (
        TWO,
        "my sea the of a window\nhis boat every in your hand",
        "my sea and a window\na boat in your hand",
    ),
    "32-one long word a line": (TWO, "oceanography\nbeautiful sea", "oceans of grey\nand the wide sea"),
    "32-letters by their names": (PAIR, "b c d e f g p\nq r s t u v", "I never see\nthe bumble bee"),
    "33-homoglyph in a forbidden word": (NO_ART, POEM.replace("green", "\u0430rt"), POEM),
    "33-zero-width in a forbidden word": (NO_ART, POEM.replace("green", "a\u200brt"), POEM.replace("green", "smart")),
    "33-full-width letters": (HAIKU, POEM.replace("frog", "ｆｒｏｇ"), POEM),
    "33-frog inside froggy": (HAIKU, POEM.replace("green frog", "froggy"), POEM),
    "33-zero-width makes another word of it": (
        PAIR,
        "I saw a light\nyou saw the li\u200bght",
        "I saw a light\nyou saw the night",
    ),
    "33-a twin that sounds the same": (
        PAIR,
        "I looked for a knight\nand came in the night",
        "I looked for a light\nand came in the night",
    ),
    "37-in the thinking": (HAIKU, f"<think>{POEM}</think>", f"<think>5, 7, 5.</think>{POEM}"),
    "37-thinking after it": (HAIKU, f"{POEM}<think>", f"<think></think>{POEM}"),
    "39-a line again": (TWO, "I live by the sea\nI live by the sea", "I live by the sea\nand you in the hills"),
    "39-a line again with a word changed": (
        TWO,
        "I live near the old sea\nI live near the old hill",
        "I live near the old sea\nwhere ships come in at dawn",
    ),
    "39-nonsense syllables": (TWO, "la la la la sea\nla la la la la", "the sea sings to me\nand I answer it"),
}


@pytest.mark.parametrize("name", ATTACKS)
def test_the_attack_earns_nothing_and_its_twin_everything(name):
    target, attack, honest = ATTACKS[name]
    assert keeps_form(Transcript((Message("assistant", attack),)), target).value == 0
    score = keeps_form(Transcript((Message("assistant", honest),)), target)
    assert score.value == 1, score.reason
