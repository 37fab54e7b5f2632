"""The words that `envs.style.composer` writes verse with, by what they do in a sentence; each is in the dictionary."""

NOUN_FAMILIES = (
    *("night light sight kite height flight", "day bay clay way tray", "sea tree bee knee key"),
    *("rain train plain grain lane crane chain", "stone bone throne", "moon tune spoon balloon lagoon dune"),
    *("king ring wing string swing", "wall hall ball shawl", "ground sound hound pound", "mile tile smile"),
    *(
        "star car jar guitar",
        "brook hook nook book cook",
        "lake cake snake",
        "dream stream team beam",
        "tower flower shower",
    ),
    *("land sand hand band", "nest guest chest", "bell well shell", "hill mill quill", "boat coat goat note throat"),
    *("clock rock dock lock", "shore door floor", "town crown gown", "house mouse blouse", "vine pine line mine"),
    *("shade blade parade", "place face lace vase", "snow crow bow", "bird word", "field shield", "sky pie eye"),
    *("room broom tomb", "cat hat mat bat", "rose nose", "cloud crowd", "ship trip"),
    *("song gong", "fire choir", "bread bed shed thread", "tent", "street sheet", "pearl girl", "dawn lawn fawn"),
    *(
        "pail tale whale",
        "ocean potion motion",
        "river quiver",
        "mother brother grandmother",
        "winter splinter",
        "berry ferry",
    ),
    *("mountain fountain", "kettle petal metal", "feather weather", "candle handle sandal", "pillow willow"),
    *("meadow", "garden", "window", "orchard", "harbour", "forest", "lantern", "sparrow arrow", "shadow", "bridge"),
    *("island", "village", "sailor tailor", "baker", "painter", "summer drummer", "kitchen", "valley alley", "apple"),
    *("morning", "evening", "market", "dragon wagon", "robin", "traveller", "butterfly", "umbrella"),
    *("piano", "violin", "gardener", "fisherman", "carpenter", "melody", "family", "history"),
)
VERBS = (
    *("sleeps", "waits", "sings", "turns", "glows", "stands", "shines", "hides", "rests", "sways", "gleams", "moves"),
    *("drifts", "falls", "stays", "dreams", "wanders", "whispers", "lingers", "hurries", "listens"),
    *("glitters", "shivers", "settles", "arrives", "returns", "remains", "appears", "vanishes"),
)
PREPOSITIONS = (
    *("by", "near", "past", "on", "with", "above", "below", "beside", "behind", "beyond", "under", "over", "across"),
    *("along", "around", "against", "beneath", "without", "before"),
)
ADJECTIVES = (
    *("old", "cold", "pale", "dark", "bright", "small", "tall", "soft", "strange", "green", "blue", "grey", "red"),
    *("warm", "lost", "long", "deep", "wild", "clear", "brown", "silver", "golden", "quiet", "empty", "narrow"),
    *("gentle", "hollow", "yellow", "sleepy", "lonely", "hidden", "simple", "broken", "early", "distant", "forgotten"),
    *("familiar", "remembered", "delicate", "beautiful", "abandoned", "enormous", "serene", "remote", "immense"),
)
DETERMINERS = (  # the commonest more than once: it is drawn as often
    *("the",) * 4,
    *("a", "an") * 2,
    *("my", "your", "this", "that", "each", "one", "her", "his", "no", "every", "another"),
)
OPENERS = {
    "a": "again afterwards always already",
    "b": "before besides but",
    "c": "calmly clearly carefully",
    "d": "deeply daily dimly",
    "e": "early easily everywhere",
    "f": "faintly far finally",
    "g": "gently gladly",
    "h": "here how hardly",
    "i": "indeed inside",
    "j": "just",
    "k": "kindly",
    "l": "lightly lately",
    "m": "meanwhile mostly",
    "n": "now never nearby",
    "o": "often once outside",
    "p": "perhaps patiently proudly",
    "q": "quietly",
    "r": "rarely",
    "s": "still softly slowly sometimes silently",
    "t": "then there today tonight",
    "u": "usually",
    "v": "visibly",
    "w": "when where while",
    "y": "yet",
}
ACROSTICS = (
    *("sun", "sea", "owl", "day", "joy", "oak", "tea", "sky", "moon", "star", "rain", "snow", "wind", "leaf", "bird"),
    *("home", "hope", "love", "stone", "cloud", "ocean", "river", "dream", "night", "light", "peace", "heart", "storm"),
    *("mountain", "daylight", "sunshine", "midnight", "moonbeam", "snowfall", "treetops", "lavender", "daydream"),
)
