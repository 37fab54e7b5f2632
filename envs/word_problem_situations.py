"""The stories of the word problems: what is counted, what can happen to it, and how it is asked for.

A sentence may name {who}, {item}, and the numbers {n} (one), or {a} and {b} (two) of its event.
"""

from collections.abc import Mapping
from dataclasses import dataclass

_NAMES = "Ana Ben Cleo Dan Eva Finn Gia Hugo Ida Jon Kim Leo Mia Nils Ola Pia Raj Sam Tess Uma Vik Wen Yara Zoe"
NAMES = tuple(_NAMES.split())

DISTRACTORS = (
    "{who} is {n} years old.",
    "{who} lives at number {n}.",
    "The walk home takes {n} minutes.",
    "It is {n} degrees outside.",
    "There are {n} houses in the street.",
    "{who}'s team has {n} members.",
)


@dataclass(frozen=True, slots=True)
class Situation:
    """One setting.

    Args:
        start: gives the amount {n}; `groups` gives it as {a} times {b}.
        events: per kind of event, the sentence that tells it. What is left out doesn't happen here; parts and
            percents have common words unless they are set to "".
        ask: asks for the amount; `together` and `more` ask for the sum and the difference with a {friend}'s.
        sale: turns the amount into dollars at {n} each; empty where nothing is sold.
        units: what may stand by the answer; empty for {item} and its singular.
        smooth: amounts may be decimals (water, way), not only whole.
    """

    name: str
    items: tuple[str, ...]
    start: str
    groups: str
    events: Mapping[str, str]
    ask: str = "How many {item} does {who} have now?"
    together: str = "How many {item} do {who} and {friend} have together now?"
    more: str = "How many more {item} does {who} have than {friend} now?"
    sale: str = ""
    units: tuple[str, ...] = ()
    smooth: bool = False

    def sentence(self, kind: str) -> str | None:
        """The words for an event of that kind here, None when it doesn't happen."""
        return self.events.get(kind, _PARTS.get(kind)) or None


_PARTS = {
    "keep_part": "{who} keeps only {a}/{b} of the {item}.",
    "lose_part": "{who} gives away {a}/{b} of the {item}.",
    "keep_percent": "{who} keeps only {n}% of the {item}.",
    "lose_percent": "{who} gives away {n}% of the {item}.",
}
_SALE = "{who} sells all the {item} for ${n} each. How many dollars does {who} get?"

SITUATIONS = (
    Situation(
        "orchard",
        ("apples", "pears", "plums", "lemons"),
        "{who} picks {n} {item}.",
        "{who} fills {a} baskets with {b} {item} each.",
        {
            "add": "{who} finds {n} more {item}.",
            "sub": "{who} eats {n} {item}.",
            "mul": "{who} picks on until there are {n} times as many {item}.",
            "div": "{who} splits the {item} evenly into {n} bags and keeps one bag.",
            "add_groups": "{who} buys {a} bags of {b} {item}.",
            "sub_groups": "{who} gives {a} friends {b} {item} each.",
        },
        sale=_SALE,
    ),
    Situation(
        "bakery",
        ("cakes", "rolls", "pies", "muffins"),
        "{who} bakes {n} {item}.",
        "{who} bakes {a} trays of {b} {item}.",
        {
            "add": "{who} bakes {n} more {item}.",
            "sub": "{who} burns {n} {item} and throws them out.",
            "div": "{who} packs the {item} evenly into {n} boxes and keeps one box.",
            "add_groups": "{who} bakes {b} {item} an hour for {a} hours more.",
            "sub_groups": "{who} gives {b} {item} to each of {a} guests.",
        },
        sale=_SALE,
    ),
    Situation(
        "library",
        ("books", "comics", "maps"),
        "{who} has {n} {item}.",
        "{who} has {a} shelves with {b} {item} each.",
        {
            "add": "{who} is given {n} {item}.",
            "sub": "{who} lends out {n} {item}.",
            "mul": "{who} buys {item} until there are {n} times as many.",
            "div": "{who} sorts the {item} evenly onto {n} shelves and keeps one shelf.",
            "add_groups": "{who} buys {b} {item} a week for {a} weeks.",
            "sub_groups": "{who} lends {b} {item} to each of {a} pupils.",
        },
    ),
    Situation(
        "stamps",
        ("stamps", "coins", "stickers", "marbles", "shells"),
        "{who} has {n} {item}.",
        "{who} has {a} albums with {b} {item} each.",
        {
            "add": "{who} wins {n} {item}.",
            "sub": "{who} loses {n} {item}.",
            "mul": "A year later {who} has {n} times as many {item}.",
            "div": "{who} splits the {item} evenly into {n} heaps and keeps one heap.",
            "add_groups": "{who} buys {a} packs of {b} {item}.",
            "sub_groups": "{who} swaps away {a} sets of {b} {item}.",
        },
        sale=_SALE,
    ),
    Situation(
        "savings",
        ("dollars",),
        "{who} has saved {n} dollars.",
        "{who} saves {b} dollars a week for {a} weeks.",
        {
            "add": "{who} earns {n} dollars.",
            "sub": "{who} spends {n} dollars.",
            "div": "{who} splits the money evenly into {n} jars and keeps one jar.",
            "add_groups": "{who} works {a} hours for {b} dollars an hour.",
            "sub_groups": "{who} buys {a} tickets at {b} dollars each.",
            "grow_percent": "{who}'s money grows by {n}%.",
        },
        units=("$", "dollars", "dollar"),
        smooth=True,
    ),
    Situation(
        "trip",
        ("km",),
        "{who} drives {n} km.",
        "{who} drives {a} hours at {b} km an hour.",
        {
            "add": "Then {who} drives {n} km more.",
            "mul": "{who} drives on until the way is {n} times as long.",
            "add_groups": "Then {who} walks {b} km a day for {a} days.",
            "grow_percent": "A detour makes {who}'s way {n}% longer.",
            **dict.fromkeys(("keep_part", "lose_part", "keep_percent", "lose_percent"), ""),
        },
        ask="How many km is {who}'s way?",
        together="How many km are {who}'s and {friend}'s ways together?",
        more="How many km longer is {who}'s way than {friend}'s?",
        units=("km",),
        smooth=True,
    ),
    Situation(
        "tank",
        ("litres",),
        "{who}'s tank holds {n} litres.",
        "A pump fills {who}'s empty tank for {a} minutes with {b} litres a minute.",
        {
            "add": "{who} pours in {n} litres.",
            "sub": "{who} lets out {n} litres.",
            "div": "{who} spreads the litres evenly over {n} tanks and keeps one tank.",
            "add_groups": "{who} pours in {a} buckets of {b} litres.",
            "sub_groups": "The tank leaks {b} litres an hour for {a} hours.",
            "lose_part": "{who} uses {a}/{b} of the water.",
            "lose_percent": "{n}% of the water dries up.",
            "keep_part": "Only {a}/{b} of the water stays.",
            "keep_percent": "Only {n}% of the water stays.",
        },
        ask="How many litres are in {who}'s tank?",
        together="How many litres do {who} and {friend} have together now?",
        more="How many litres more are in {who}'s tank than in {friend}'s?",
        units=("litres", "litre", "l"),
        smooth=True,
    ),
    Situation(
        "bus",
        ("people",),
        "{who} drives a bus with {n} people.",
        "{who} drives a bus with {a} rows of {b} people.",
        {
            "add": "{n} people get on {who}'s bus.",
            "sub": "{n} people get off {who}'s bus.",
            "add_groups": "{a} families of {b} people get on {who}'s bus.",
            "sub_groups": "At each of {a} stops {b} people get off {who}'s bus.",
            "lose_part": "{a}/{b} of the people get off {who}'s bus.",
            "lose_percent": "{n}% of the people get off {who}'s bus.",
            "keep_part": "Only {a}/{b} of the people stay on {who}'s bus.",
            "keep_percent": "Only {n}% of the people stay on {who}'s bus.",
        },
        ask="How many people are on {who}'s bus?",
        together="How many people are on {who}'s and {friend}'s buses together?",
        more="How many more people are on {who}'s bus than on {friend}'s?",
        sale="Each of the people pays {who} ${n}. How many dollars does {who} get?",
        units=("people",),
    ),
    Situation(
        "game",
        ("points",),
        "{who} scores {n} points.",
        "{who} hits {a} targets for {b} points each.",
        {
            "add": "{who} gains {n} points.",
            "sub": "{who} loses {n} points.",
            "mul": "A bonus makes {who}'s points {n} times as many.",
            "add_groups": "{who} wins {a} rounds for {b} points each.",
            "sub_groups": "{who} makes {a} mistakes that cost {b} points each.",
            "lose_part": "{who} loses {a}/{b} of the points.",
            "lose_percent": "{who} loses {n}% of the points.",
            "grow_percent": "A bonus adds {n}% to {who}'s points.",
        },
    ),
    Situation(
        "farm",
        ("eggs", "carrots", "melons"),
        "{who} brings in {n} {item}.",
        "{who} brings in {b} {item} a day for {a} days.",
        {
            "add": "{who} finds {n} more {item}.",
            "sub": "{who} drops {n} {item}, which are lost.",
            "div": "{who} packs the {item} evenly into {n} crates and keeps one crate.",
            "add_groups": "A neighbour brings {who} {a} crates of {b} {item}.",
            "sub_groups": "{who} sells {a} crates of {b} {item}.",
            "lose_percent": "{n}% of the {item} go bad, and {who} throws them out.",
        },
        sale=_SALE,
    ),
    Situation(
        "garden",
        ("tulips", "roses", "herbs"),
        "{who} plants {n} {item}.",
        "{who} plants {a} rows of {b} {item}.",
        {
            "add": "{who} plants {n} more {item}.",
            "sub": "Rabbits eat {n} of {who}'s {item}.",
            "mul": "By summer {who} has {n} times as many {item}.",
            "add_groups": "{who} plants {a} more rows of {b} {item}.",
            "sub_groups": "{who} cuts {a} bunches of {b} {item}.",
            "lose_part": "Frost kills {a}/{b} of {who}'s {item}.",
            "lose_percent": "Frost kills {n}% of {who}'s {item}.",
            "keep_part": "Only {a}/{b} of {who}'s {item} survive.",
            "keep_percent": "Only {n}% of {who}'s {item} survive.",
        },
    ),
    Situation(
        "factory",
        ("chairs", "lamps", "toys", "bikes"),
        "{who}'s shop makes {n} {item}.",
        "{who}'s shop makes {b} {item} an hour for {a} hours.",
        {
            "add": "{who}'s shop makes {n} more {item}.",
            "sub": "{who}'s shop sells {n} {item}.",
            "mul": "{who}'s shop works on until it has {n} times as many {item}.",
            "div": "{who}'s shop loads the {item} evenly onto {n} vans and keeps the load of one van.",
            "add_groups": "{who} orders {a} vans with {b} {item} each.",
            "sub_groups": "{who} ships {a} boxes of {b} {item}.",
            "lose_part": "{who} finds that {a}/{b} of the {item} are broken and throws those out.",
            "lose_percent": "{who} finds that {n}% of the {item} are broken and throws those out.",
        },
        sale=_SALE,
    ),
    Situation(
        "ribbon",
        ("metres",),
        "{who} has {n} metres of rope.",
        "{who} ties {a} ropes of {b} metres into one.",
        {
            "add": "{who} ties on {n} metres.",
            "sub": "{who} cuts off {n} metres.",
            "mul": "{who} makes the rope {n} times as long.",
            "div": "{who} cuts the rope into {n} equal parts and keeps one.",
            "add_groups": "{who} ties on {a} ropes of {b} metres.",
            "sub_groups": "{who} cuts off {a} bits of {b} metres.",
            "lose_part": "{who} cuts off {a}/{b} of the rope.",
            "lose_percent": "{who} cuts off {n}% of the rope.",
            "keep_part": "{who} keeps only {a}/{b} of the rope.",
            "keep_percent": "{who} keeps only {n}% of the rope.",
        },
        ask="How many metres of rope does {who} have now?",
        units=("metres", "metre", "m"),
        smooth=True,
    ),
    Situation(
        "reading",
        ("pages",),
        "{who} has {n} pages to read.",
        "{who} has {a} chapters of {b} pages to read.",
        {
            "add": "{who} is given {n} more pages to read.",
            "sub": "{who} reads {n} pages.",
            "add_groups": "{who} is given {a} texts of {b} pages each to read.",
            "sub_groups": "{who} reads {b} pages a day for {a} days.",
            "lose_part": "{who} reads {a}/{b} of the pages left.",
            "lose_percent": "{who} reads {n}% of the pages left.",
            "keep_part": "{who} reads until only {a}/{b} of the pages are left.",
            "keep_percent": "{who} reads until only {n}% of the pages are left.",
        },
        ask="How many pages does {who} have left?",
        together="How many pages do {who} and {friend} have left together?",
        more="How many more pages does {who} have left than {friend}?",
    ),
)
