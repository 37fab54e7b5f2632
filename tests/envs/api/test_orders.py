"""Orders: its targets against a second reading of the policy, and what its judges take for said and done."""

import re
from datetime import date, timedelta

import pytest

import envs
from envs.api.orders_policy import REASONS
from envs.api.orders_shop import CHANGES
from envs.proof import play
from rewards.transcript import Message, ToolCall
from tests.envs.api.orders_reference import read, verdict

CHANGING = {"cancel_order", "return_items", "exchange_item", "change_address", "change_payment", "transfer_to_human"}
ISO = re.compile(r"(\d{4})-(\d\d)-(\d\d)")


@pytest.fixture(scope="module")
def env():
    return envs.make("postgym/Orders-v0")


@pytest.fixture(scope="module")
def tasks(env):
    return [env.sample_task(i, "test" if i % 2 else "train", i / 299) for i in range(300)]


def cents(shown: str) -> int:
    return int(shown.lstrip("$").replace(".", ""))


def acts_of(task):
    return [c for turn in task.meta["script"] for c in turn["calls"] if c["name"] in CHANGING]


def reason_in(task, order_id: str) -> str:
    """What the customer gives as their reason in the matter that speaks of the order."""
    of_order = [m for m in task.meta["matters"] if any(order_id in w for group in m["agrees"] for w in group)]
    return of_order[-1]["facts"].get("reason", "") if of_order else ""


# The targets.


def test_a_second_reading_of_the_policy_allows_what_the_expert_does_and_ends_in_the_same_state(tasks):
    for task in tasks:
        book = read(task)
        for act in acts_of(task):
            assert verdict(book, act, reason_in(task, act["arguments"].get("order_id", ""))) == "", task.id
        assert {"rows": book.rows, "done": sorted(book.done)} == task.target["state"], task.id


def test_a_second_reading_of_the_policy_forbids_what_is_refused_for_the_reason_that_must_be_told(tasks):
    for task in tasks:
        refused = [told for told in task.target["told"] if "refusal" in told]
        assert len(refused) == len(task.meta["wishes"])
        for told, wish in zip(refused, task.meta["wishes"], strict=True):
            assert verdict(read(task), wish, reason_in(task, wish["arguments"]["order_id"])) == told["refusal"], task.id


def test_the_facts_of_a_refusal_stand_in_the_shops_rows(tasks):
    for task in tasks:
        book = read(task)
        for told, wish in zip([t for t in task.target["told"] if "refusal" in t], task.meta["wishes"], strict=True):
            order = book.tables["orders"][wish["arguments"]["order_id"]]
            if told["refusal"] == "too late":
                assert told["date"] == order["delivered"]
            if told["refusal"] == "status":
                assert order["status"] in told["words"][0]
            if told["refusal"] == "balance":
                assert cents(told["amount"]) == book.tables["payments"][wish["arguments"]["payment_id"]]["balance"]


def test_the_money_to_be_told_is_the_money_that_is_booked(tasks):
    for task in tasks:
        booked = {abs(row["amount"]) for key, row in task.target["state"]["rows"].items() if key.startswith("ledger")}
        questions = [m["question"] for m in task.meta["matters"]]
        told = {
            cents(t["amount"])
            for t, question in zip(task.target["told"], questions, strict=True)
            if "amount" in t and "refusal" not in t and not question
        }
        assert told == booked, task.id


def test_questions_have_the_answers_that_the_rows_give(tasks):
    asked = 0
    for task in tasks:
        book = read(task)
        for matter, told in zip(task.meta["matters"], task.target["told"], strict=True):
            if not matter["question"]:
                continue
            asked += 1
            answers = {}
            for order in book.tables["orders"].values():
                items = [i for i in book.tables["items"].values() if i["order_id"] == order["id"]]
                things = {book.tables["variants"][i["variant_id"]]["product"]: i["price"] for i in items}
                day = order["delivered"] and date.fromisoformat(order["delivered"])
                if re.search(r"in all", matter["ask"]):
                    answers[order["id"]] = {"amount": sum(things.values())}
                elif re.search(r"delivered|arrive", matter["ask"]):
                    answers[order["id"]] = {"date": str(day)}
                elif re.search(r"return", matter["ask"]):
                    answers[order["id"]] = {"date": str(day + timedelta(book.window)) if day else None}
                else:
                    thing = re.search(r"(?:for|price of) the (.+?) in ", matter["ask"])[1]
                    answers[order["id"]] = {"amount": things.get(thing)}
            looked_up = [n[0]["arguments"]["order_id"] for n in task.target["needs"] if n[0]["name"] == "get_order"]
            wanted = {"amount": cents(told["amount"])} if "amount" in told else {"date": told["date"]}
            assert any(answers[order_id] == wanted for order_id in looked_up), task.id
    assert asked > 40


def test_every_change_and_every_reason_for_a_refusal_comes_up(env, tasks):
    assert {action for task in tasks for action, _ in task.target["state"]["done"]} == set(CHANGES)
    assert {told["refusal"] for task in tasks for told in task.target["told"] if "refusal" in told} == set(REASONS)


def test_no_task_pays_for_doing_nothing(env, tasks):
    for task in tasks[::5]:
        _, score = play(env, task, lambda messages: "")
        assert score.value == 0
        assert next(p for p in score.parts if p.name == "looked up").value == 0, task.id


def test_the_customer_never_says_what_they_have_to_be_told(env, tasks):
    for task in tasks[::5]:
        seen, _ = play(env, task, env.expert(task))
        said = " ".join(m.content for m in seen.messages if m.role == "user")
        for told in task.target["told"]:
            for fact in ("amount", "date"):
                assert fact not in told or told[fact] not in said, task.id


# What counts as said and done.


def test_other_words_for_the_same_service_earn_everything(env, tasks):
    """The expert's turns as a polite language model would put them."""

    def politely(turn: dict) -> str:
        say = turn["say"]
        match turn["do"]:
            case "identify" if say.startswith("May"):
                return (
                    "I'd be happy to help you with that! To verify your identity, could you please provide the e-mail "
                    "address on your account? Your full name and zip code will do, too."
                )
            case "identify" if say:
                return (
                    "I'm sorry, but I couldn't find an account with that e-mail address. Please provide your full name "
                    "and your zip code."
                )
            case "ask":
                return f"Thank you! {say}"
            case "propose":
                plan = re.sub(r"(?: Shall I\?| Shall I go ahead\?)$", "", say)
                return f"Thanks for waiting. Before I do anything:\n\n{plan}\n\nWould you like me to proceed? (yes/no)"
            case "refuse":
                return f"I'm sorry, I know that's frustrating. {say} Is there anything else I can help you with today?"
            case "close":
                return ISO.sub(long_date, say) + " Is there anything else I can do for you?"
        return say

    def long_date(m: re.Match) -> str:
        return f"{date(int(m[1]), int(m[2]), int(m[3])):%B %-d, %Y}"

    for task in tasks[::3]:
        script = task.meta["script"]

        def act(messages, script=script):
            turn = script[sum(m.role == "assistant" for m in messages)]
            calls = tuple(ToolCall(c["name"], c["arguments"], str(i)) for i, c in enumerate(turn["calls"]))
            return Message("assistant", politely(turn), calls)

        _, score = play(env, task, act)
        assert score.value == 1, (task.id, score.reason)
