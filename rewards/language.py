"""Which language a text is in: by its script, and between languages of one script by their commonest words.

Deterministic and small, so that a reward may stand on it: what can't be decided is None, never a guess.
"""

import unicodedata
from collections import Counter
from functools import lru_cache

from rewards.text import prose, sentences, visible, words

MAIN_SCRIPT = 0.8  # of the letters: a text in a language may hold names and terms in another script
MARGIN = 1.2  # the best language must have this many times the common words of the second
COMMON = 0.15  # of the words must be common ones; less is a list of words, or another language
SHORT = 5  # words; a shorter text is decided by a single common word
FOREIGN = 0.2  # from this share of sentences in another language on, the text is mixed

_NAMED_ALIKE = frozenset(
    [
        *("LATIN", "CYRILLIC", "GREEK", "ARABIC", "HEBREW", "HANGUL", "DEVANAGARI", "BENGALI", "TAMIL", "TELUGU"),
        *("KANNADA", "MALAYALAM", "GUJARATI", "GURMUKHI", "THAI", "LAO", "KHMER", "MYANMAR", "GEORGIAN", "ARMENIAN"),
        *("ETHIOPIC", "SINHALA", "TIBETAN"),
    ]
)
_NAMED_OTHERWISE = {"CJK": "Han", "HIRAGANA": "Kana", "KATAKANA": "Kana"}
_BY_SCRIPT = {
    "Greek": "el",
    "Hebrew": "he",
    "Hangul": "ko",
    "Bengali": "bn",
    "Tamil": "ta",
    "Telugu": "te",
    "Kannada": "kn",
    "Malayalam": "ml",
    "Gujarati": "gu",
    "Gurmukhi": "pa",
    "Thai": "th",
    "Lao": "lo",
    "Khmer": "km",
    "Myanmar": "my",
    "Georgian": "ka",
    "Armenian": "hy",
    "Ethiopic": "am",
    "Sinhala": "si",
}
_COMMON_WORDS = {
    "Latin": {
        "en": "the of and to in is that it was for on are with as his they at be this have from or had by but not "
        "what all were we when your can said there an which their if will how she he you i do my has would "
        "could yes hello",
        "fr": "le la les de des du un une et est à en que qui dans pour pas sur il elle nous vous ils je ne se ce "
        "cette avec son sa ses par plus sont au aux mais ou où c'est être été comme tout fait bien oui "
        "bonjour très ont leur",
        "de": "der die das und ist nicht ein eine einen zu den dem des mit sich auf für von im er sie es ich wir "
        "ihr an auch als bei nach wie aus wenn nur noch oder aber hat war sind wird kann zum zur ja hallo "
        "sehr über dass man",
        "es": "el la los las de y que en un una es no se por con para su lo como más pero sus le ya o este sí "
        "porque esta entre cuando muy sin sobre también me hasta hay donde está son del al fue ser hola "
        "tiene desde todo",
        "it": "il lo la gli le di e che un una è non per con si del della dei delle in da sono al alla ma come più "
        "anche o se nel nella questo questa ha hanno ci mi era molto io lui lei sì ciao essere dal tutti "
        "quando perché",
        "pt": "o a os as de e que em um uma é não se por com para do da dos das no na nos nas ao mais mas como seu "
        "sua ou quando muito já eu também só pelo pela até isso ela entre era depois sem mesmo são foi olá "
        "sim você está",
        "nl": "de het een en van ik te dat die in is niet zijn op aan met als voor er maar om hem dan zou of wat "
        "mijn men dit zo door over ze bij ook tot je mij uit naar heb heeft hij wij ons nog wel geen ja "
        "hallo deze worden",
        "sv": "och att det i en jag hon som han på den med var sig för så till är men ett om hade de av icke mig "
        "du henne då sin nu har inte hans honom skulle hennes där min man ej vid kunde något från ut när vi "
        "ja hej eller",
        "da": "og i jeg det at en den til er som på de med han af for ikke der var mig sig men et har om vi min "
        "havde ham hun nu over da fra du ud sin dem os op man hans hvor eller hvad skal selv her alle vil "
        "blev kunne hej",
        "no": "og i jeg det at en et den til er som på de med han av ikke der så var meg seg men har om vi min "
        "hadde hun nå over da ved fra du ut sin dem oss opp man kan hans hvor eller hva skal selv her alle "
        "vil ble kunne hei",
        "fi": "ja on ei se että hän oli mutta ovat myös kun tai niin kuin jos minä sinä hänen sen tämä joka joita "
        "mitä vain ole olen olla voi sitä nyt kanssa mukaan ne he me te siitä tässä kaikki hyvin kyllä hei "
        "jotka sekä mikä",
        "pl": "i w nie na się z do to że jest o jak za od po tak ale co przez przy dla czy są być który która "
        "które był była było tego jego jej ich już tylko może bardzo także oraz lub ten ta te tym pod nad ze "
        "mnie dzień",
        "cs": "a se v na je že s z do to i o jako za by ale si po jsem co být jsou která který které tak jeho byl "
        "byla bylo při pro nebo však až pod jen také když kde jak má už této není od ze ano velmi více dobrý "
        "den mezi",
        "ro": "și în de la pe cu nu o un este că a din să se care pentru mai ce sunt ca dar sau al ale cei cele "
        "după fost fi foarte prin când între până doar aceste acest această ei el ea noi voi da bună lor "
        "despre sale",
        "hu": "a az és hogy nem is egy van volt de ez ezt meg csak már még mint azt ha vagy minden el fel ki lehet "
        "kell lesz nagyon igen én te ő mi ti ők szia után között által szerint amely aki ami ezek azok itt "
        "ott sok több",
        "tr": "ve bir bu da de için ile çok ama o ne gibi daha var mı mi kadar ben sen biz siz onlar olarak olan "
        "sonra değil en her şey ya veya ki yok bunu evet merhaba hem diye iki nasıl zaman oldu olduğu "
        "tarafından göre",
        "vi": "và là của có không được trong một các cho với người này những đã để khi ở từ như cũng về đó nhưng "
        "vào ra sẽ tôi bạn anh chị rất nhiều thì mà lại phải đến hay hoặc nếu vì do theo trên xin chào vâng "
        "đang còn",
        "id": "yang dan di dengan untuk tidak ini dari dalam akan pada juga saya ke karena tersebut bisa ada "
        "mereka lebih kata itu atau oleh adalah sudah seperti dapat kami kita anda dia ia telah bahwa sangat "
        "ya halo sebagai",
        "sw": "na ya wa kwa ni za katika la cha hii hiyo kuwa si lakini pia kama watu yake wake wao mimi wewe sisi "
        "huo huu hizo baada kabla sana ndiyo hapana jambo kila au vya alikuwa ambao ambayo hivyo bila mtu "
        "moja",
    },
    "Cyrillic": {
        "ru": "и в не на я что он с это а как по но из у за к от то так о же для был была было мы вы они она бы "
        "или если только еще его её ее их меня вас нет да очень когда есть уже при до привет этот эта эти "
        "который где",
        "uk": "і в не на я що він з це а як по але із у за до від то так про же для був була було ми ви вони вона "
        "б або якщо тільки ще його її їх мене вас ні та дуже коли є вже при привіт цей ця ці який де також "
        "бути й",
        "bg": "и в не на аз че той с това а как по но от у за към до то така о же беше са ние вие те тя би или ако "
        "само още неговият му я ги мен вас няма да много когато има вече при здравей този тази тези който "
        "където ще се",
    },
    "Arabic": {
        "ar": "في من على إلى أن هذا هذه التي الذي كان لا ما هو هي مع عن ذلك كل بعد قبل أو ثم لم قد كانت بين أيضا "
        "نعم مرحبا إذا حيث عند لقد يكون أنا أنت نحن هم و يا لكن",
        "fa": "در از به که این را با است برای آن یک خود تا بر هم نیز شد شده کرد می ما من او ها بود باید یا اما اگر "
        "همه دیگر بله سلام چه هر پس هستند کند دارد بسیار آنها و",
        "ur": "میں ہے کے کی کا سے اور کو نے پر یہ ہیں وہ کہ ایک نہیں بھی تھا اس جو ہو ان کر تو تھی ہاں ہم آپ لیے "
        "بہت کیا گیا تھے لیکن جب سلام اپنے ساتھ",
    },
    "Devanagari": {
        "hi": "के में है की और से का को पर यह हैं कि एक नहीं भी था इस जो हो कर तो थी हम आप लिए बहुत किया गया थे "
        "लेकिन जब ने वह मैं हाँ नमस्ते अपने साथ ही या",
        "mr": "आणि आहे या च्या मध्ये ते हे की एक नाही होते होता मी तो ती आम्ही तुम्ही आपण पण साठी खूप केले आहेत "
        "झाले जे ने व हो नमस्कार त्या त्यांनी किंवा असे",
    },
}
_LISTS = {
    script: {code: frozenset(line.split()) for code, line in lists.items()} for script, lists in _COMMON_WORDS.items()
}
LANGUAGES = {
    **{"ar": "Arabic", "am": "Amharic", "bg": "Bulgarian", "bn": "Bengali", "cs": "Czech", "da": "Danish"},
    **{"de": "German", "el": "Greek", "en": "English", "es": "Spanish", "fa": "Persian", "fi": "Finnish"},
    **{"fr": "French", "gu": "Gujarati", "he": "Hebrew", "hi": "Hindi", "hu": "Hungarian", "hy": "Armenian"},
    **{"id": "Indonesian", "it": "Italian", "ja": "Japanese", "ka": "Georgian", "km": "Khmer", "kn": "Kannada"},
    **{"ko": "Korean", "lo": "Lao", "ml": "Malayalam", "mr": "Marathi", "my": "Burmese", "nl": "Dutch"},
    **{"no": "Norwegian", "pa": "Punjabi", "pl": "Polish", "pt": "Portuguese", "ro": "Romanian", "ru": "Russian"},
    **{"si": "Sinhala", "sv": "Swedish", "sw": "Swahili", "ta": "Tamil", "te": "Telugu", "th": "Thai"},
    **{"tr": "Turkish", "uk": "Ukrainian", "ur": "Urdu", "vi": "Vietnamese", "zh": "Chinese"},
}


@lru_cache(maxsize=4096)
def script_of(letter: str) -> str:
    """The script of a letter, such as "Latin" or "Han"; empty for what is no letter of a script known here."""
    if not letter.isalpha():
        return ""
    if letter.isascii():
        return "Latin"
    name = unicodedata.name(letter, "").split(" ")[0].removesuffix("-HIRAGANA")
    return name.title() if name in _NAMED_ALIKE else _NAMED_OTHERWISE.get(name, "")


def scripts(text: str) -> Counter[str]:
    """How many letters of each script `text` holds; full-width Latin letters count as Latin."""
    return Counter(s for c in unicodedata.normalize("NFKC", visible(text)) if (s := script_of(c)))


def detect_language(text: str) -> str | None:
    """The code of the one language that `text` is in, code blocks aside; None when it is mixed or undecidable."""
    text = prose(text)
    code = _language_of(text)
    if code is None:
        return None
    told = [(s, found) for s in sentences(text) if len(words(s)) > SHORT and (found := _language_of(s)) is not None]
    foreign = sum(len(words(s)) for s, found in told if found != code)
    return None if foreign > FOREIGN * sum(len(words(s)) for s, _ in told) else code


def _language_of(text: str) -> str | None:
    found = scripts(text)
    if not found:
        return None
    total = sum(found.values())
    east_asian = found["Han"] + found["Kana"]
    if east_asian >= MAIN_SCRIPT * total:
        if found["Kana"] == 0:
            return "zh"
        return "ja" if found["Kana"] >= 0.1 * east_asian else None
    script, letters = found.most_common(1)[0]
    if letters + (found["Han"] if script == "Hangul" else 0) < MAIN_SCRIPT * total:
        return None
    return _BY_SCRIPT.get(script) or _by_common_words(words(_spelled(text)), script)


def _spelled(text: str) -> str:
    """In small letters with their accents: Spanish "el" and Hungarian "él" are two words."""
    return unicodedata.normalize("NFC", visible(text).casefold()).replace("’", "'")


def _by_common_words(found: list[str], script: str) -> str | None:
    """The language of which most words are, each counted at most three times: "le le le le" is no French."""
    counted = [w for word, times in Counter(found).items() for w in [word] * min(times, 3)]
    hits = sorted(
        ((sum(w in known for w in counted), code) for code, known in _LISTS.get(script, {}).items()), reverse=True
    )
    if not hits:
        return None
    (best, code), (second, _) = hits[:2]
    needed = 1 if len(found) < SHORT else max(2, COMMON * len(counted))
    return code if best >= needed and best > second and best >= MARGIN * second else None
