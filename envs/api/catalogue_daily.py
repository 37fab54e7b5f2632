"""Functions for daily life: eating out, the weather, music, the home, shopping, health."""

from collections.abc import Mapping

from envs.api.function import Function, function
from envs.api.parameters import amount, choice, clock, day, flag, listing, money, record, rows, text, whole

CITIES = (
    *("Oslo", "Lima", "Rome", "Cairo", "Dublin", "Quito", "Hanoi", "Perth", "Turin", "Porto", "Lyon", "Bergen"),
    *("Riga", "Sofia", "Tunis", "Accra", "Nairobi", "Osaka", "Busan", "Delhi", "Austin", "Denver", "Toronto", "Boston"),
    *("Kyoto", "Malmo", "Ghent", "Basel", "Graz", "Leeds", "Cork", "Bari", "Nice", "Faro", "Split", "Gdansk"),
)
PEOPLE = (
    *("Ada Novak", "Ben Okafor", "Cleo Marsh", "Dan Suzuki", "Eva Lindt", "Finn Doyle", "Gus Moreau", "Hana Kim"),
    *("Ivo Petrov", "Jo Banks", "Kim Reyes", "Leo Costa", "Mia Olsen", "Noa Levi", "Ola Berg", "Pia Weber"),
    *("Raj Mehta", "Sue Park", "Tom Hale", "Uma Das", "Vik Iyer", "Wes Quinn", "Yara Said", "Zoe Hill"),
)
RESTAURANTS = (
    *("Roma", "Luna", "The Copper Pot", "Sakura", "Blue Door", "Chez Nina", "Saffron", "The Old Mill", "Olive & Fig"),
    *("Casa Verde", "Northern Lights", "Kismet", "The Anchor", "Little Hanoi", "Bamboo House", "Trattoria Sole"),
)
DISHES = (
    *("lentil soup", "margherita pizza", "pad thai", "green curry", "fish tacos", "caesar salad", "falafel wrap"),
    *("mushroom risotto", "beef ramen", "spring rolls", "apple pie", "garlic bread"),
)
ARTISTS = ("Nina Vale", "The Paper Kites", "Moss & Stone", "Clara Bow", "Night Ferry", "Glass Harbour", "Juno Ray")
SONGS = ("Cold River", "Morning Glass", "Paper Moon", "Red Balloon", "Slow Train", "Winter Sun", "Blue Window", "Salt")
PLAYLISTS = ("Road Trip", "Sunday Calm", "Gym Mix", "Deep Focus", "Party Time", "Rainy Day", "Old Favourites", "Study")
ROOMS = (
    "kitchen",
    "bedroom",
    "living room",
    "hallway",
    "office",
    "bathroom",
    "garage",
    "nursery",
    "attic",
    "dining room",
)
PRODUCTS = (
    *("desk lamp", "yoga mat", "rain jacket", "coffee grinder", "water bottle", "backpack", "phone case", "wall clock"),
    *("picture frame", "tea kettle", "board game", "bike helmet", "sketchbook", "wool scarf", "garden hose"),
)
FOODS = ("milk", "eggs", "rice", "apples", "butter", "flour", "honey", "onions", "tomatoes", "cheese", "oats", "lemons")
MEDICINES = ("ibuprofen", "vitamin D", "iron tablets", "cough syrup", "eye drops", "zinc", "magnesium", "antihistamine")

_MINUTES = {"minutes": "1", "hours": "60"}
_ITEM = record("Item", "{quantity} of the {product}", "items", product=text(PRODUCTS), quantity=whole(2, 9))

DAILY: Mapping[str, tuple[Function, ...]] = {
    "dining": (
        function(
            "book_table",
            "Books a table at a restaurant.",
            "(book|reserve) a table[ at {restaurant}][ for {guests}][ {date}][ at {time}][, {seating}]",
            each="restaurant",
            restaurant=text(RESTAURANTS),
            guests=whole(2, 12, "guests", "people", of="people"),
            date=day(),
            time=clock(),
            seating=choice({"inside": "inside", "terrace": "on the terrace", "bar": "at the bar"}, default="inside"),
        ),
        function(
            "cancel_table",
            "Cancels a table that was booked at a restaurant.",
            "cancel (my|our) table at {restaurant}[ {date}]",
            restaurant=text(RESTAURANTS),
            date=day(),
        ),
        function(
            "find_restaurants",
            "Finds restaurants of a cuisine in a city.",
            "(find|look for) restaurants[ in {city}] that serve {cuisine} food[, {price} ones]",
            each="city",
            city=text(CITIES),
            cuisine=choice(["italian", "thai", "mexican", "indian", "greek", "korean"]),
            price=choice(["any", "cheap", "moderate", "expensive"], default="any"),
        ),
        function(
            "order_meal",
            "Orders dishes from a restaurant for delivery.",
            "order {dishes} from {restaurant}[ to {address}][, with cutlery{cutlery}]",
            dishes=listing(DISHES),
            restaurant=text(RESTAURANTS),
            address=text([f"{n} {s}" for n in (4, 12, 31, 58) for s in ("Mill Lane", "Park Road", "Elm Street")]),
            cutlery=flag(),
        ),
        function(
            "rate_restaurant",
            "Gives a restaurant stars, from 1 to 5.",
            "(rate|review)[ the restaurant {restaurant}] with {stars}",
            each="restaurant",
            restaurant=text(RESTAURANTS),
            stars=whole(1, 5, "stars", of="out of 5 stars"),
        ),
        function(
            "show_menu",
            "Shows the menu of a restaurant.",
            "show me the[ {meal}] menu of {restaurant}",
            each="restaurant",
            restaurant=text(RESTAURANTS),
            meal=choice(["all", "breakfast", "lunch", "dinner"], default="all"),
        ),
    ),
    "weather": (
        function(
            "get_temperature",
            "The temperature in a city now.",
            "(tell me|check) the temperature[ in {city}] now[, in {unit}]",
            each="city",
            city=text(CITIES),
            unit=choice(["celsius", "fahrenheit"], default="celsius"),
        ),
        function(
            "get_forecast",
            "The weather forecast for a city on a day.",
            "(get|show me) the weather forecast[ for {city}][ {date}]",
            each="city",
            city=text(CITIES),
            date=day(),
        ),
        function(
            "get_sunrise",
            "When the sun rises in a city on a day.",
            "(tell me|find out) when the sun rises[ in {city}][ {date}]",
            each="city",
            city=text(CITIES),
            date=day(),
        ),
        function(
            "get_pollen",
            "The pollen count in a city now.",
            "(check|look up) the[ {plant}] pollen count[ in {city}]",
            each="city",
            city=text(CITIES),
            plant=choice(["all", "grass", "birch", "ragweed"], default="all"),
        ),
        function(
            "watch_storm",
            "Sends a warning when a storm comes near a place.",
            "warn me when a storm comes within {radius} of {city}",
            each="city",
            city=text(CITIES),
            radius=amount({"kilometres": "1", "metres": "0.001"}, [5, 10, 20, 50, 80]),
        ),
        function(
            "get_tides",
            "High and low tide at a harbour on a day.",
            "(get|look up) the tides[ at {harbour}][ {date}]",
            each="harbour",
            harbour=text(["Bergen", "Porto", "Cork", "Bari", "Nice", "Faro", "Split", "Gdansk", "Perth", "Boston"]),
            date=day(),
        ),
    ),
    "music": (
        function(
            "play_song",
            "Plays one song.",
            "play the song {song}[ by {artist}]",
            song=text(SONGS),
            artist=text(ARTISTS),
        ),
        function(
            "play_playlist",
            "Plays a playlist from its start.",
            "(play|start|put on) (my|the) playlist {playlist}[, shuffled{shuffle}][, in the {room}]",
            playlist=text(PLAYLISTS),
            room=text(["everywhere", *ROOMS], default="everywhere"),
            shuffle=flag(),
        ),
        function(
            "queue_song",
            "Adds a song to the end of what is playing.",
            "(queue|line up) the song {song}[ by {artist}]",
            each="song",
            song=text(SONGS),
            artist=text(ARTISTS),
        ),
        function(
            "create_playlist",
            "Makes a new playlist of songs.",
            "(make|create) a playlist[ called {title}] with the songs {songs}[ and make it public{public}]",
            title=text(
                ["Long Drive", "Garden", "Quiet Hours", "Run", "Late Night", "Spring", "Cleaning"], "title", "name"
            ),
            songs=listing(SONGS),
            public=flag(),
        ),
        function(
            "follow_artist",
            "Follows an artist, to hear of new releases.",
            "follow the artist {artist}[ with {notify} notifications]",
            each="artist",
            artist=text(ARTISTS),
            notify=choice(["none", "weekly", "instant"], default="none"),
        ),
        function(
            "find_concerts",
            "Concerts of an artist in a city.",
            "(find|look for) concerts of {artist}[ in {city}]",
            each="artist",
            artist=text(ARTISTS),
            city=text(CITIES),
        ),
    ),
    "home": (
        function(
            "set_thermostat",
            "Sets the temperature that a room is heated to, in degrees celsius.",
            "(set|turn) the thermostat in the {room}[ to {degrees}]",
            each="room",
            room=text(ROOMS),
            degrees=whole(16, 26, "degrees", "temperature", of="degrees"),
        ),
        function(
            "dim_lights",
            "Dims the lights of a room to a percentage.",
            "dim the lights in the {room}[ to {percent}]",
            each="room",
            room=text(ROOMS),
            percent=whole(10, 90, "percent", "brightness", "percentage", of="percent"),
        ),
        function(
            "set_lights",
            "Switches the lights of a room on or off.",
            "(switch|turn) {state} the lights in the {room}",
            each="room",
            room=text(ROOMS),
            state=choice(["on", "off"]),
        ),
        function(
            "start_vacuum",
            "Starts the robot vacuum in a room.",
            "(start|run) the vacuum[ in the {room}][ in {mode} mode]",
            each="room",
            room=text(ROOMS),
            mode=choice(["normal", "quiet", "strong"], default="normal"),
        ),
        function(
            "set_blinds",
            "Opens or closes the blinds of a room.",
            "{state} the blinds in the {room}",
            each="room",
            room=text(ROOMS),
            state=choice(["open", "close"]),
        ),
        function(
            "start_washer",
            "Starts the washing machine.",
            "(start|run) the washer[ on the {program} program][ at {degrees}][, with an extra rinse{rinse}]",
            program=choice(["cotton", "wool", "delicate", "sport"], "program", "programme"),
            degrees=choice({"30": "30 degrees", "40": "40 degrees", "60": "60 degrees"}, default="40"),
            rinse=flag(),
        ),
    ),
    "shopping": (
        function(
            "place_order",
            "Orders products from the shop.",
            "(place an order for|order) {items}[, sent to {address}][, by {speed} delivery]",
            items=rows(_ITEM, "product"),
            address=record(
                "Address",
                "{street} in {city}",
                street=text([f"{n} {s}" for n in (3, 17, 26, 44) for s in ("Oak Street", "Hill Road", "King Street")]),
                city=text(CITIES),
            ),
            speed=choice(["standard", "express", "overnight"], default="standard"),
        ),
        function(
            "track_order",
            "Where an order is.",
            "(track|locate) (my order|order)[ {number}]",
            each="number",
            number=text([f"B{n}" for n in range(1204, 9999, 97)], "number"),
        ),
        function(
            "return_order",
            "Sends an order back.",
            "(return|send back) order {number}[ because it is {reason}]",
            number=text([f"B{n}" for n in range(1204, 9999, 97)], "number"),
            reason=choice(
                {"damaged": "damaged", "too_late": "too late", "wrong_item": "the wrong item"}, "reason", "why"
            ),
        ),
        function(
            "track_price",
            "Sends a message when a product costs less than a price.",
            "tell me when the price of the {product} falls[ below {price}]",
            each="product",
            product=text(PRODUCTS),
            price=money(10, 90, "price", "amount"),
        ),
        function(
            "add_groceries",
            "Puts foods on the grocery list.",
            "(add|put) {foods} (to|on) the grocery list[ for {store}]",
            foods=listing(FOODS),
            store=choice({"any": "any store", "market": "the market", "bakery": "the bakery"}, default="any"),
        ),
        function(
            "write_review",
            "Publishes a review of a product.",
            "write a review of the {product}[ with {stars}][ as {name}]",
            product=text(PRODUCTS),
            stars=whole(1, 5, "stars", of="out of 5 stars"),
            name=text(["anonymous", *PEOPLE], default="anonymous"),
        ),
    ),
    "health": (
        function(
            "log_workout",
            "Notes a workout with its duration.",
            "(log|note) a workout of {sport}[ of {duration}]",
            sport=choice(["running", "cycling", "swimming", "rowing", "yoga", "boxing"]),
            duration=amount(_MINUTES, [20, 25, 30, 40, 45, 50, 75], "duration", "long", "minutes"),
        ),
        function(
            "log_water",
            "Notes how much water was drunk.",
            "(log|note) that I drank[ {volume} of] water",
            volume=amount({"millilitres": "1", "litres": "1000"}, [200, 250, 300, 350, 400, 500, 750]),
        ),
        function(
            "log_weight",
            "Notes a body weight.",
            "(log|note) my body weight[ as {weight}]",
            weight=amount({"kilograms": "1", "grams": "0.001"}, [54, 58, 61, 66, 70, 73, 79, 82, 88, 91]),
        ),
        function(
            "log_sleep",
            "Notes a night's sleep.",
            "(log|note) my sleep: in bed at {bedtime}[, up at {wake_time}]",
            bedtime=clock("bedtime", first=20, last=23),
            wake_time=clock("wake", "up", first=5, last=9),
        ),
        function(
            "book_doctor",
            "Books an appointment with a doctor.",
            "(book|make) an appointment with a doctor of {field}[ {date}][ at {time}]",
            field=choice(["cardiology", "dermatology", "dentistry", "orthopedics"]),
            date=day(),
            time=clock(),
        ),
        function(
            "refill_prescription",
            "Asks the pharmacy for more of a medicine.",
            "(refill|renew) my prescription for {medicine}[ at the pharmacy in {city}][, delivered{delivery}]",
            each="medicine",
            medicine=text(MEDICINES),
            city=text(CITIES, "city", "pharmacy"),
            delivery=flag(),
        ),
    ),
}
