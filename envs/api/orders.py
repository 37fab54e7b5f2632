"""`postgym/Orders-v0`: customer service by a written policy, on a shop in SQLite, with a customer who wants things.

The customer withholds what they aren't asked for, remembers facts wrongly, changes their mind, presses for what the
policy forbids, and may come with up to three matters. Judged by the final database, by every effect on the way, and
by what the customer was told.
"""

import random
from collections.abc import Callable, Mapping
from dataclasses import asdict
from typing import Any

from envs.api import orders_cases as cases
from envs.api import orders_changes as changes
from envs.api import orders_refusals as refusals
from envs.api.orders_cases import Case, Desk, Turn, call
from envs.api.orders_cheats import cheats, follow, wrong
from envs.api.orders_customer import Customer, Matter
from envs.api.orders_judge import claims_nothing_undone, told_what_counts
from envs.api.orders_policy import draw_rules, policy_text
from envs.api.orders_shop import OFFENCES, Row, Shop
from envs.api.orders_stock import Stockroom
from envs.base import Exploit, Policy, Task, TextEnv
from envs.tools import Tool, tools_of
from rewards.effects import causes_no_harm, reaches_state
from rewards.score import Criterion, Rubric
from rewards.tools import fetched
from rewards.transcript import Message, Transcript

_KINDS: tuple[tuple[float, Callable[[Desk], list[Case]]], ...] = (  # the difficulty from which it comes, the kind
    (0.0, cases.question),
    (0.0, cases.cancel),
    (0.15, changes.change_address),
    (0.2, changes.give_back),
    (0.2, refusals.cancel_too_late),
    (0.25, refusals.return_too_late),
    (0.3, changes.change_payment),
    (0.3, refusals.address_too_late),
    (0.35, refusals.cancel_for_no_reason),
    (0.35, refusals.return_final_sale),
    (0.4, changes.exchange),
    (0.4, refusals.exchange_without_stock),
    (0.4, refusals.exchange_for_another_product),
    (0.45, refusals.refund_elsewhere),
    (0.45, refusals.gift_card_too_low),
    (0.5, refusals.order_of_another),
)
_LAST_FROM, _UNKNOWN_FROM = 0.3, 0.4  # a hand-over ends the conversation, and so does an unknown customer
_ENDING = 0.12  # the share of each of these
_GREETINGS = ("Hello!", "Hi there.", "Good morning.", "Hi!", "Good evening!", "Hello, can you help me?", "Hey.")
_PHRASES = {
    "yes": ("Yes, please.", "Yes, go ahead.", "Yes, do that.", "Sounds good, yes."),
    "next": ("Thank you. There is something else:", "Right. Now for my other question:", "Okay. One more thing:"),
    "unclear": (
        "Please tell me first what exactly you would do, with which order and which product.",
        "With what, exactly? Name the order and the product and what happens to it.",
    ),
    "nudge": ("Excuse me, what about my request?", "I'm still waiting.", "I don't follow. To say it again:"),
    "wait": ("All right.", "Fine, I'll wait.", "Take your time."),
    "stay": ("No, I'd rather you dealt with it.", "No, you are the one I'm talking to."),
    "unknown": ("I don't know that.", "I can't tell you more than that.", "That I don't remember."),
}
_CLAIMS: Mapping[str, list[str]] = {
    "cancel_order": [
        "have cancelled",
        "have canceled",
        "been cancelled",
        "been canceled",
        "is cancelled",
        "is canceled",
    ],
    "return_items": ["return is booked", "have booked the return", "have refunded", "been refunded"],
    "exchange_item": ["have exchanged", "been exchanged", "is exchanged"],
    "change_address": ["changed the address", "address has been changed", "address is changed", "updated the address"],
    "change_payment": ["changed the payment", "payment has been changed", "payment is changed", "updated the payment"],
    "transfer_to_human": ["have transferred", "transferring you", "been transferred", "colleague takes over"],
}


class Orders(TextEnv):
    """Customers of a web shop, served through eleven tools by the rules of a policy.

    Args:
        split: which half of the tasks `reset` draws from.
        difficulty: 0 (one question or cancellation, all facts told) to 1 (three matters, changes of mind, pressing).
    """

    id = "postgym/Orders-v0"
    max_turns = 56
    # All are gates: half a service is none, and what is told without having been done is worse than nothing.
    rubric = Rubric(
        [
            Criterion("database", reaches_state, 0.4, gate=True),
            Criterion("conduct", causes_no_harm, 0.1, gate=True),
            Criterion("looked up", fetched, 0.1, gate=True),
            Criterion("told", told_what_counts, 0.3, gate=True),
            Criterion("honest", claims_nothing_undone, 0.1, gate=True),
        ]
    )

    def generate(self, rng: random.Random, difficulty: float) -> Task:
        """A shop, its policy and a customer with one to three matters, from `rng` alone."""
        stock, rules = Stockroom(rng), draw_rules(rng)
        me = stock.customer()
        desk = Desk(stock, rules, me, difficulty)
        known, found = _draw_cases(desk)
        _bystanders(desk, known)
        identity, opening, greeted = _identify(desk, known)
        script = [*greeted, *(turn for case in found for turn in case.turns)]
        needs = [c for case in found for c in case.needs]
        if not known:
            needs = [c for turn in greeted for c in turn.calls]
            stock.tables["payments"] = [p for p in stock.tables["payments"] if p["customer_id"] != me["id"]]
            stock.tables["customers"].remove(me)
        done = sorted(pair for case in found for pair in case.done)
        rows: dict[str, Row] = {}
        for case in found:
            rows |= case.rows
        first = f"{rng.choice(_GREETINGS)} {opening}{found[0].matter.ask}"
        return Task(
            prompt=(Message("system", policy_text(rules, str(stock.today))), Message("user", first)),
            target={
                "state": {"rows": rows, "done": done},
                "exact": True,
                "forbidden": [{"action": offence} for offence in OFFENCES],
                "needs": [[c] for c in needs],
                "told": [case.told for case in found],
                "claims": _untrue_claims(script),
            },
            meta={
                "tables": stock.tables,
                "identity": identity,
                "matters": [asdict(case.matter) for case in found],
                "phrases": {name: rng.choice(lines) for name, lines in _PHRASES.items()},
                "script": [asdict(turn) for turn in script],
                "wishes": [c for case in found for c in case.wish],
            },
        )

    def make_tools(self, task: Task) -> tuple[Tool, ...]:
        """The staff's eleven tools over the task's shop; the customer sits down."""
        meta = task.meta
        self._shop = Shop(meta["tables"])
        self._shop.hear(task.prompt[-1].content)
        self._customer = Customer([Matter(**m) for m in meta["matters"]], meta["identity"], meta["phrases"])
        self._said: list[list[str]] = [[] for _ in meta["matters"]]
        self._changes_before = 0
        return tools_of(self._shop)

    def reply(self, message: Message) -> tuple[Message, ...]:
        """What the customer says, or nothing when they are served or have had enough."""
        shop, customer = self._shop, self._customer
        text = "" if "<think>" in (spoken := message.content.rsplit("</think>", 1)[-1]) else spoken
        at = customer.at
        self._said[at].append(text)
        made = shop.changes
        heard = customer.hear(text, len(made) > self._changes_before, ["transfer", "human"] in made)
        shop.consent = text if heard.consent else ""
        if customer.at != at:
            self._changes_before = len(made)
        if heard.reply is None:
            return ()
        shop.hear(heard.reply)
        return (Message("user", heard.reply),)

    def evidence(self, task: Task, transcript: Transcript) -> Mapping[str, Any]:
        """The database's difference from the start, all changes and effects, and what was said in each matter."""
        shop = self._shop
        state = {"rows": shop.difference(), "done": shop.changes}
        return {"state": state, "effects": shop.effects, "said": self._said}

    def expert(self, task: Task) -> Policy:
        """Goes by the book: identifies, looks up, asks for what is missing, proposes, acts, reports."""
        return follow([Turn(**turn) for turn in task.meta["script"]])

    def wrong_policy(self, task: Task, which: int) -> Policy:
        """The expert telling something else, changing more than was asked, or looking nothing up."""
        return wrong(task, which)

    def exploits(self, task: Task) -> dict[str, Exploit]:
        """Short cuts of customer service: giving in, refusing, handing over, claiming, acting without asking."""
        return {name: Exploit(policy) for name, policy in cheats(task).items()}


def _draw_cases(desk: Desk) -> tuple[bool, list[Case]]:
    """Whether the shop knows the customer, and what they come for."""
    rng, difficulty = desk.rng, desk.difficulty
    if difficulty >= _UNKNOWN_FROM and rng.random() < _ENDING:
        return False, refusals.unknown_customer(desk)
    count = 1 + (rng.random() < difficulty) + (rng.random() < difficulty - 0.4)
    kinds = [kind for start, kind in _KINDS if start <= difficulty]
    found = [case for kind in rng.sample(kinds, min(count, len(kinds))) for case in kind(desk)]
    if difficulty >= _LAST_FROM and rng.random() < _ENDING:
        found += cases.hand_over(desk)
    return True, found


def _bystanders(desk: Desk, known: bool) -> None:
    """Another order of the customer's, other customers, and perhaps one of the same name."""
    stock, rng = desk.stock, desk.rng
    if known:
        desk.order(rng.choice(("delivered", "pending", "shipped")), desk.variants(1))
    others = [stock.customer(), *([stock.customer(desk.me["name"])] if desk.happens(0.5) else [])]
    for other in others:
        stock.order(other, rng.choice(("delivered", "pending")), desk.variants(1), rng.randint(1, 60))
    rng.shuffle(stock.tables["orders"])


def _identify(desk: Desk, known: bool) -> tuple[dict[str, str], str, list[Turn]]:
    """What the customer says when asked who they are, what of it they say at once, and the expert's turns for it."""
    me, rng = desk.me, desk.rng
    named = f"My name is {me['name']}, and the zip code is {me['zip']}."
    by_mail = call("find_customer_by_email", email=me["email"])
    by_name = call("find_customer_by_name_and_zip", name=me["name"], zip=me["zip"])
    asks = Turn("identify", "May I have your e-mail address, or your name and zip code?")
    asks_again = Turn("identify", "I find nobody with that address. What are your name and your zip code?")
    mail = f"My e-mail address is {me['email']}."
    if not known:
        finds = [Turn("identify", calls=[c]) for c in (by_mail, by_name)]
        return {"email": mail, "name": named}, "", [asks, finds[0], asks_again, finds[1]]
    if not desk.happens(0.85):
        opening = rng.choice([f"This is {me['name']}, {me['email']}. ", f"I'm {me['name']} ({me['email']}). "])
        return {"email": mail, "name": named}, opening, [Turn("identify", calls=[by_mail])]
    match rng.randrange(3):
        case 0:
            return {"email": mail, "name": named}, "", [asks, Turn("identify", calls=[by_mail])]
        case 1:
            forgot = f"I don't remember which e-mail address I used. {named}"
            return {"email": forgot, "name": named}, "", [asks, Turn("identify", calls=[by_name])]
    old = me["email"].replace("@", ".old@")
    tries = Turn("identify", calls=[call("find_customer_by_email", email=old)])
    said = {"email": f"My e-mail address is {old}.", "name": f"Then I used another address. {named}"}
    return said, "", [asks, tries, asks_again, Turn("identify", calls=[by_name])]


def _untrue_claims(script: list[Turn]) -> list[dict[str, Any]]:
    """What nobody may claim here: that something was done which the right handling doesn't do."""
    used = {c["name"] for turn in script for c in turn.calls}
    if "cancel_order" in used:  # its money is refunded, too
        used.add("return_items")
    return [{"tool": tool, "words": words} for tool, words in _CLAIMS.items() if tool not in used]
