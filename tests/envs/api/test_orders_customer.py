"""The customer of Orders: tells what is asked for, agrees to what is clear, presses, leaves; sane on any text."""

import re

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import envs
from envs.api.orders_customer import PATIENCE, Customer, Matter

IDENTITY = {"email": "My e-mail address is ada@example.com.", "name": "My name is Ada Fox, and the zip code is 12345."}
PHRASES = {
    "yes": "Yes.",
    "next": "Next:",
    "unclear": "Do what?",
    "nudge": "Well?",
    "unknown": "I don't know.",
    "wait": "Fine.",
    "stay": "No, you do it.",
}
CANCEL = Matter(
    "Please cancel my order.",
    {"order": "It's W1.", "reason": "I need it no more."},
    [["cancel", "cancelled"], ["W1"]],
    ["But I want to!", "Please!"],
)
QUESTION = Matter("When did W2 come?", {"order": "It's W2."}, [], [], question=True)


def talk(*turns: str, matters=(CANCEL,), changed=(), identity=IDENTITY):
    """What the customer of these matters says to each turn; `changed` are the turns with a change before them."""
    customer = Customer(matters, identity, PHRASES)
    return [customer.hear(turn, i in changed, False) for i, turn in enumerate(turns)]


@pytest.mark.parametrize(
    ("asked", "told"),
    [
        ("What is your e-mail address?", IDENTITY["email"]),
        ("To verify your identity, please provide the email address on file.", IDENTITY["email"]),
        ("May I have your full name and zip code?", IDENTITY["name"]),
        ("Could you give me your e-mail, or your name and zip code?", IDENTITY["email"]),
        ("Please tell me the order number.", "It's W1."),
        ("Which order is it?", "It's W1."),
        ("Could you share your e-mail address and the order ID?", f"{IDENTITY['email']} It's W1."),
        ("Why do you want to cancel it?", "I need it no more."),
        ("What's the reason for the cancellation?", "I need it no more."),
    ],
)
def test_what_is_asked_for_is_told_and_no_more(asked, told):
    assert talk(asked)[0].reply == told


def test_who_doesnt_find_the_e_mail_address_is_given_the_name():
    again = "I couldn't find an account with that. Could you give me your e-mail, or your name and zip code?"
    replies = talk("Your e-mail or your name and zip code, please?", again)
    assert [r.reply for r in replies] == [IDENTITY["email"], IDENTITY["name"]]
    assert talk("I can't find any customer with that address.")[0].reply == IDENTITY["name"]


def test_what_they_dont_know_they_dont_make_up():
    assert talk("What is the new address?")[0].reply == PHRASES["unknown"]


@pytest.mark.parametrize(
    "proposal",
    [
        "I would cancel order W1 and refund $5.00. Shall I?",
        "To confirm: order W1 will be cancelled. Is that correct?",
        "I can cancel order W1 for you. Please confirm with yes.",
        "Before I cancel W1: the refund goes to your Visa. Would you like me to proceed? (yes/no)",
    ],
)
def test_a_proposal_that_names_action_and_order_is_agreed_to(proposal):
    assert talk(proposal)[0].consent


@pytest.mark.parametrize(
    "proposal",
    [
        "Shall I go ahead?",
        "Shall I cancel it?",
        "Shall I return order W1?",
        "Shall I cancel order W12?",
        "I will cancel order W1 now.",
        "Is there anything else I can help you with?",
    ],
)
def test_a_proposal_that_leaves_open_what_is_done_is_not(proposal):
    assert not talk(proposal)[0].consent


def test_refusals_are_pressed_against_and_then_taken():
    no = "I'm sorry, order W1 can't be cancelled."
    assert [r.reply for r in talk(no, no, no)] == ["But I want to!", "Please!", None]


def test_after_a_change_the_next_matter_comes_and_after_the_last_the_customer_goes():
    replies = talk("It's cancelled.", "It came on 2025-01-02.", matters=(CANCEL, QUESTION), changed=(0,))
    assert [r.reply for r in replies] == [f"Next: {QUESTION.ask}", None]


def test_a_question_is_answered_by_figures_and_not_by_promises():
    replies = talk("Let me see.", "One moment, please!", "It came on 2025-01-02. Anything else?", matters=(QUESTION,))
    assert [r.reply is None for r in replies] == [False, False, True]


def test_a_changed_mind_comes_where_the_yes_would_have_come():
    fickle = Matter(CANCEL.ask, CANCEL.facts, CANCEL.agrees, [], fickle=True)
    keep = Matter("No, keep it.", {}, [], [], question=True)
    said = talk("Which order is it?", "Shall I cancel W1?", matters=(fickle, keep))
    assert [r.reply for r in said] == ["It's W1.", "No, keep it."]
    assert not said[1].consent


def test_a_proposal_with_what_they_decline_is_pressed_against():
    matter = Matter(CANCEL.ask, {}, [["return"], ["W1"]], ["Not there!"], declines=["PayPal"])
    assert talk("Shall I return W1, with the money to PayPal?", matters=(matter,))[0].reply == "Not there!"


def test_a_hand_over_isnt_what_they_want_and_waiting_is_all_right():
    replies = talk("One moment, I'll look it up.", "Would you like me to transfer you to a colleague?")
    assert [r.reply for r in replies] == ["Fine.", "No, you do it."]


def test_patience_ends():
    replies = [r.reply for r in talk(*["Well, well."] * (PATIENCE + 1))]
    assert replies[:-1] == [f"Well? {CANCEL.ask}"] * PATIENCE
    assert replies[-1] is None


def test_a_hand_over_ends_the_conversation():
    assert Customer([CANCEL, QUESTION], IDENTITY, PHRASES).hear("Goodbye.", True, True).reply is None


WORDS = st.sampled_from(
    [
        *(
            "shall",
            "I",
            "cancel",
            "order",
            "W1",
            "can't",
            "sorry",
            "e-mail",
            "name",
            "zip",
            "reason",
            "which",
            "please",
        ),
        *("confirm", "?", ".", "$5.00", "yes", "{}", "\ud800", "</think>"),
    ]
)


@settings(max_examples=25, deadline=None)
@given(st.lists(st.one_of(st.text(max_size=60), st.lists(WORDS, max_size=12).map(" ".join)), min_size=1, max_size=8))
def test_any_conversation_is_answered_and_comes_to_an_end(texts):
    env = envs.make("postgym/Orders-v0")
    env.reset(seed=len(texts[0]), options={"difficulty": 1.0})
    for turn in range(env.max_turns):
        new, _, terminated, truncated, info = env.step(texts[turn % len(texts)])
        if terminated or truncated:
            break
        assert new[-1].content.strip()
    assert terminated or truncated
    assert info["score"].value == 0


def test_what_is_withheld_is_said_only_when_asked_for():
    env = envs.make("postgym/Orders-v0")
    withheld = 0
    for seed in range(60):
        task = env.sample_task(seed, "train", 1.0)
        opening = task.prompt[1].content
        email = re.search(r"[\w.]+@[\w.]+", task.meta["identity"]["email"] + task.meta["identity"]["name"])
        if not email or email[0].rstrip(".") in opening:
            continue
        withheld += 1
        env.reset(options={"task": task})
        reply = env.step("Good day, and welcome to our shop!")[0][-1].content
        assert "@" not in reply
        assert env.step("What is your e-mail address?")[0][-1].content == task.meta["identity"]["email"]
    assert withheld > 20
