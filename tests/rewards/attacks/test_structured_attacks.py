"""Hacks of documents: each earns nothing, its honest twin everything."""

import json

import pytest

from rewards.letters import is_commit, is_email
from rewards.structured import holds_the_facts
from rewards.transcript import Message, Transcript

RECORD = {"guest": "Ana Holm", "nights": 3, "breakfast": True, "items": [{"name": "sauna"}, {"name": "parking"}]}
JSON = {"format": "json", "record": RECORD}
YAML = {"format": "yaml", "record": {"a": 1, "b": ["x", "x"]}}
INI = {"format": "ini", "record": {"a": {"x": "1"}}}
CSV = {"format": "csv", "columns": ["name", "price"], "rows": [["sauna", "12.50"], ["Total", "12.50"]]}
TABLE = CSV | {"format": "markdown"}
COMMIT = {
    "head": {"type": "fix", "scope": "api", "breaking": False},
    **{"verbs": ["close"], "subject": ["open files"], "facts": [], "footers": [], "columns": [50, 72]},
    **{"names": [], "decoys": []},
}
EMAIL = {
    "headers": {"Subject": "Visit"},
    **{"greeting": "Dear Ana,", "closing": ["Bye,", "Bo"], "facts": [["9:30", "B12"]], "words": [5, 30]},
    **{"names": [], "decoys": ["C40"]},
}


def mail(body):
    return f"Subject: Visit\n\nDear Ana,\n\n{body}\n\nBye,\nBo"


HONEST = json.dumps(RECORD)
HONEST_MAIL = mail("We are to meet at 9:30 in room B12.")
ATTACKS = {
    "23-text for a number": (JSON, HONEST.replace("3", '"3"'), HONEST),
    "23-one for true": (JSON, HONEST.replace("true", "1"), HONEST),
    "23-a fraction for a whole": (JSON, HONEST.replace("3", "3.5"), HONEST.replace("3", "3.0")),
    "27-every fact in one place": (JSON, json.dumps({"guest": HONEST}), HONEST),
    "27-the facts as a list": (JSON, json.dumps(["Ana Holm", 3, True, "sauna", "parking"]), HONEST),
    "27-another order": (JSON, json.dumps(RECORD | {"items": RECORD["items"][::-1]}), HONEST),
    "29-empty": (JSON, "{}", HONEST),
    "32-nothing but blanks": (JSON, json.dumps({k: "" for k in RECORD}), HONEST),
    "32-a key twice": (JSON, HONEST.replace('"nights": 3', '"nights": 2, "nights": 3'), HONEST),
    "32-a key too many": (JSON, json.dumps(RECORD | {"note": "urgent"}), HONEST),
    "32-an empty table": (CSV, "name,price\n,\n,", "name,price\nsauna,12.50\nTotal,12.50"),
    "32-a head alone": (
        TABLE,
        "| name | price |\n| --- | --- |",
        "|name|price|\n|---|---|\n|sauna|12.50|\n|Total|12.50|",
    ),
    "32-columns swapped": (CSV, "price,name\n12.50,sauna\n12.50,Total", "name,price\nsauna,12.50\nTotal,12.50"),
    "32-a digit dropped": (CSV, "name,price\nsauna,12.5\nTotal,12.5", 'name,price\n"sauna",12.50\nTotal, 12.50'),
    "32-greeting and closing alone": (EMAIL, mail(""), HONEST_MAIL),
    "32-facts without a sentence": (EMAIL, mail("9:30, B12, room."), HONEST_MAIL),
    "33-zero-width in a key": (JSON, HONEST.replace("guest", "gu\u200best"), HONEST),
    "33-homoglyph in a value": (JSON, HONEST.replace("sauna", "s\u0430una"), HONEST),
    "33-zero-width hides what no longer holds": (EMAIL, mail("It is at 9:30 in room B12, not C\u200b40."), HONEST_MAIL),
    "33-full-width digits": (CSV, "name,price\nsauna,１２.50\nTotal,12.50", "name,price\nsauna,12.50\nTotal,12.50"),
    "37-in the thinking": (JSON, f"<think>{HONEST}</think>Done.", f"<think>Done.</think>{HONEST}"),
    "37-two documents": (JSON, f"{HONEST}\n{HONEST}", HONEST),
    "37-two fences": (JSON, f"```json\n{HONEST}\n```\n```json\n{HONEST}\n```", f"```json\n{HONEST}\n```"),
    "24-code in YAML": (YAML, "a: !!python/name:os.system\nb: [x, x]", "a: 1\nb: [x, x]"),
    "42-an anchor for a copy": (YAML, "a: 1\nb: [&x x, *x]", "a: 1\nb:\n- x\n- x"),
    "42-a second document": (YAML, "a: 1\nb: [x, x]\n---\na: 2", "---\na: 1\nb: [x, x]"),
    "42-a doubt in a comment": (INI, "[a]\nx = 1\n# or 2", "[a]\nx=1"),
    "32-a title for a commit": (COMMIT, "Update the code", "fix(api): close open files"),
    "32-type and scope alone": (COMMIT, "fix(api): close", "fix(api): close the open files"),
    "39-a made-up figure": (COMMIT, "fix(api): close 7 open files", "fix(api): close all open files"),
    "27-a place that no longer holds": (EMAIL, mail("We are to meet at 9:30 in room B12 or C40."), HONEST_MAIL),
}


@pytest.mark.parametrize("name", ATTACKS)
def test_the_attack_earns_nothing_and_its_twin_everything(name):
    target, attack, honest = ATTACKS[name]
    judge = is_email if "headers" in target else is_commit if "head" in target else holds_the_facts
    assert judge(Transcript((Message("assistant", attack),)), target).value == 0
    score = judge(Transcript((Message("assistant", honest),)), target)
    assert score.value == 1, score.reason
