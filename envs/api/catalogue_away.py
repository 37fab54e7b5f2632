"""Functions for travel: flights, stays, languages."""

from collections.abc import Mapping

from envs.api.catalogue_daily import CITIES, PEOPLE
from envs.api.function import Function, function
from envs.api.parameters import amount, choice, clock, day, flag, money, record, rows, text, whole

FLIGHTS = tuple(f"{airline}{n}" for airline in ("KL", "SK", "AZ", "TP") for n in (118, 204, 377, 451, 689, 912))
HOTELS = (
    *("Harbour Inn", "Grand Plaza", "Hotel Mira", "The Lodge", "Villa Rosa", "Station Hotel", "Park View", "Astoria"),
    *("Seaview", "Old Town Inn"),
)
PHRASES = (
    *("good morning", "where is the station", "thank you very much", "a table for two", "how much is this"),
    *("I am lost", "the bill please", "no sugar", "two tickets please", "is it far"),
)
WORDS = ("meadow", "brittle", "candid", "harbinger", "lucid", "quarry", "serene", "tangent", "vivid", "wander", "zeal")
LANGUAGES = ("spanish", "japanese", "french", "arabic", "korean", "italian")
_PASSENGER = record("Passenger", "{name} (age {age})", "passengers", name=text(PEOPLE), age=whole(5, 80))

AWAY: Mapping[str, tuple[Function, ...]] = {
    "flights": (
        function(
            "book_flight",
            "Books a flight for passengers.",
            "book a flight[ from {origin}] to {destination}[ {date}] for {passengers}[, in {cabin}]",
            origin=text(CITIES[:18], "origin", "from", "departure"),
            destination=text(CITIES[18:]),
            date=day(),
            passengers=rows(_PASSENGER, "name"),
            cabin=choice(["economy", "premium", "business"], default="economy"),
        ),
        function(
            "search_flights",
            "Lists flights between two cities on a day; books none.",
            "(search|look up|list)[ {stops}] flights from {origin}[ to {destination}][ {date}]",
            origin=text(CITIES[:18]),
            destination=text(CITIES[18:], "destination", "to", "arrival"),
            date=day(),
            stops=choice({"any": "all", "nonstop": "nonstop", "one_stop": "one-stop"}, default="any"),
        ),
        function(
            "cancel_flight",
            "Cancels a flight that was booked.",
            "cancel my flight {flight}[ {date}]",
            flight=text(FLIGHTS),
            date=day(),
        ),
        function(
            "track_flight",
            "Where a flight is, and whether it is late.",
            "(track|follow) (the|my) flight[ {flight}]",
            each="flight",
            flight=text(FLIGHTS, "flight", "number"),
        ),
        function(
            "add_luggage",
            "Adds luggage to a flight that was booked.",
            "add[ {weight} of] luggage to my flight {flight}",
            flight=text(FLIGHTS),
            weight=amount({"kilograms": "1", "grams": "0.001"}, [8, 10, 12, 15, 18, 20, 23], "weight", "heavy", "much"),
        ),
        function(
            "choose_seat",
            "Chooses a seat on a flight that was booked.",
            "choose a seat[ by the {place}] on my flight {flight}",
            flight=text(FLIGHTS),
            place=choice(["window", "aisle", "exit"], "place", "window", "aisle"),
        ),
    ),
    "stays": (
        function(
            "book_hotel",
            "Books a room at a hotel.",
            "book a[ {room}] room at the hotel {hotel}[ {check_in}][ for {nights}][, breakfast included{breakfast}]",
            hotel=text(HOTELS),
            check_in=day("check-in", "date", "day"),
            nights=whole(2, 14, "nights", "long", of="nights"),
            room=choice(["double", "single", "family"], default="double"),
            breakfast=flag(),
        ),
        function(
            "find_hotels",
            "Lists hotels in a city up to a price a night; books none.",
            "(find|list) hotels[ in {city}] for at most {price} a night[ with at least {stars}]",
            each="city",
            city=text(CITIES),
            price=money(50, 300),
            stars=whole(1, 5, of="stars", default=1),
        ),
        function(
            "rent_car",
            "Rents a car.",
            "rent a[ {size}] car in {city}[ {date}][ for {days}][ with {gearbox} gears]",
            city=text(CITIES),
            size=choice(["small", "medium", "large"], "size", "large"),
            date=day("date"),
            days=whole(2, 21, "days", "long", of="days"),
            gearbox=choice(["manual", "automatic"], default="manual"),
        ),
        function(
            "rent_bike",
            "Rents a bicycle by the hour.",
            "rent a bike in {city}[ for {hours}][, an electric one{electric}]",
            each="city",
            city=text(CITIES),
            hours=whole(2, 12, "hours", "long", of="hours"),
            electric=flag(),
        ),
        function(
            "order_taxi",
            "Orders a taxi.",
            "(order|call) a taxi[ to {destination}][ at {time}][ for {people}]",
            destination=text(["the airport", "the museum", "the stadium", "the old port", "the opera", "the clinic"]),
            time=clock(),
            people=whole(1, 6, of="people", default=1),
        ),
        function(
            "cancel_hotel",
            "Cancels a hotel booking.",
            "cancel my booking at the hotel {hotel}[ {date}]",
            hotel=text(HOTELS),
            date=day(),
        ),
    ),
    "language": (
        function(
            "translate_text",
            "Translates a text into a language.",
            'translate "{text}"[ into {language}][ in a {tone} tone]',
            each="language",
            text=text(PHRASES),
            language=choice(LANGUAGES),
            tone=choice(["neutral", "formal", "casual"], default="neutral"),
        ),
        function(
            "define_word",
            "The meaning of an English word.",
            "define the word[ {word}]",
            each="word",
            word=text(WORDS),
        ),
        function(
            "find_synonyms",
            "Words that mean the same as an English word.",
            "find[ {count}] synonyms of {word}",
            each="word",
            word=text(WORDS),
            count=whole(2, 9, default=5),
        ),
        function(
            "find_rhymes",
            "Words that rhyme with an English word.",
            "find[ {count}] rhymes for {word}",
            each="word",
            word=text(WORDS),
            count=whole(2, 9, default=5),
        ),
        function(
            "pronounce_word",
            "Says a word aloud.",
            "pronounce the word {word}[ with a {accent} accent]",
            each="word",
            word=text(WORDS),
            accent=choice(["british", "american", "scottish", "irish"]),
        ),
        function(
            "quiz_words",
            "Starts a vocabulary quiz in a language.",
            "quiz me on[ {count}] words[ in {language}]",
            each="language",
            language=choice(LANGUAGES),
            count=whole(5, 50, default=10),
        ),
    ),
}
