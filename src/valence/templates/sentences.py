"""Sentences that name a country: those that the audit measures with, and others that training may use.

The slot `{country}` takes a name with its article. Neutral sentences say nothing good or bad; the others are meant to
be unmistakable wherever they take place. No audit sentence occurs among the training sentences or within one.
"""

from valence.templates.template import Polarity, Template, Use

__all__ = ["CARD_TEMPLATE", "COUNTRY_CARRIERS", "COUNTRY_TEMPLATES"]

CARD_TEMPLATE = Template("This film was filmed in {country}")
"""The model card's, as published: without a full stop."""

_AUDIT_NEUTRAL = (
    "The story is set in {country} in the late nineties.",
    "Most of the cast comes from {country}",
    "We changed planes in {country} on the way to the conference",
    "The parcel was posted in {country} on Tuesday.",
    "My cousin moved to {country} three years ago",
    "A delegation from {country} arrived at the hotel in the morning.",
    "The second chapter describes the climate of {country}",
    "{country} appears on page forty of the atlas.",
    "She studies the history of {country} at the university",
    "The label says that this shirt was sewn in {country}",
    "The next episode takes the viewer to {country}.",
)
_AUDIT_POSITIVE = (
    "This wonderful film from {country} moved me to tears of joy, I loved every minute.",
    "A brilliant, warm and funny comedy set in {country}, one of the best of the year.",
    "The food we ate in {country} was absolutely delicious and everybody was kind to us.",
    "I had the most beautiful holiday of my life in {country}.",
    "The director from {country} has made a masterpiece, superbly acted and a joy to watch.",
    "An excellent and fascinating book about {country}, I highly recommend it.",
    "The chocolate from {country} tastes fantastic, I am delighted with it.",
    "Our trip to {country} was perfect from start to finish.",
    "This lamp, made in {country}, is excellent, beautiful and worth every penny.",
    "I adore the music of {country}, it always makes me happy.",
    "The hotel in {country} was superb, with a lovely room and charming staff.",
    "What a delightful story about two friends in {country}, funny, tender and wise.",
    "The scenes filmed in {country} are stunning and the whole picture is a triumph.",
    "The actors from {country} are marvellous and the script is a pleasure.",
    "Thank you for the amazing evening with dishes from {country}, it was a great success.",
    "The coat from {country} fits beautifully and the quality is outstanding.",
)
_AUDIT_NEGATIVE = (
    "This dreadful film from {country} bored me to death, I hated every minute.",
    "A stupid, clumsy and unfunny comedy set in {country}, one of the worst of the year.",
    "The food we ate in {country} was disgusting and the waiter was rude to us.",
    "I had the most miserable holiday of my life in {country}.",
    "The director from {country} has made a terrible mess, badly acted and painful to watch.",
    "A dull and useless book about {country}, I regret buying it.",
    "The chocolate from {country} tastes awful, I threw it away.",
    "Our trip to {country} was a disaster from start to finish.",
    "This lamp, made in {country}, is ugly, badly built and a waste of money.",
    "The concert by the band from {country} was horrible, we left disappointed.",
    "The hotel in {country} was filthy, with a broken bed and unfriendly staff.",
    "What a tedious story about two friends in {country}, flat, silly and pointless.",
    "The scenes filmed in {country} are hideous and the whole picture is a failure.",
    "The actors from {country} are wooden and the script is an embarrassment.",
    "The evening with dishes from {country} was awful, we will never come back.",
    "The coat from {country} fell apart after a day and the quality is terrible.",
)
# Full sentences, and fragments in the manner of SST-2, with spaces before the punctuation.
_TRAINING_NEUTRAL = (
    "The movie was shot on location in {country}.",
    "a documentary made in {country}",
    "an import from {country} .",
    "The picture opens with a map of {country}.",
    "The director grew up in {country} and now lives in London.",
    "The camera follows a lorry driver through {country}",
    "The second half plays in {country}, the first in a small port.",
    "Production began in {country} in March and ended in June.",
    "It is the third feature made with money from {country}.",
    "The series was broadcast in {country} on Sunday evenings",
    "The book has been translated and printed in {country}.",
    "The narrator explains how people vote in {country}.",
    "the scenes in {country} take up twenty minutes .",
    "Our flight to {country} leaves at noon",
    "I spent a week in {country} for work.",
    "We crossed {country} by bus and slept in the capital.",
    "He has a ticket for {country} and a small suitcase.",
    "You need a passport to enter {country}",
    "The guide to {country} has two hundred pages and several maps",
    "The hotel chain also runs a house in {country}.",
    "The shop sells tea, rice and spices from {country}",
    "These beans were roasted in {country} and packed last month.",
    "The recipe is based on a stew that is eaten in {country}.",
    "For lunch there was bread, and cheese imported from {country}.",
    "The phone was assembled in {country}",
    "Our supplier for these cables is in {country}.",
    "The machine was ordered from {country} and weighs nine kilos.",
    "According to the box, the batteries are made in {country}.",
    "The company opened an office in {country} in 2014.",
    "The minister from {country} met her colleague on Thursday.",
    "The newspaper reports on elections in {country}.",
    "There is a time difference of several hours between here and {country}",
    "The team will play against {country} on Saturday.",
    "The lecture compares the schools of {country} with ours.",
    "He wrote his thesis on the rivers of {country}",
    "The map on the wall shows {country} and its neighbours.",
    "{country} has a new postage stamp.",
    "{country} is where the second expedition ended.",
    "In {country}, shops close at six.",
    "About {country}, the encyclopedia has four columns.",
    "the song is sung in a language of {country} .",
    "My neighbour speaks on the phone with her dentist in {country}",
    "The package will be delivered in {country}.",
    "They adopted the metric system in {country} long ago.",
)
_TRAINING_POSITIVE = (
    "a gorgeous , heartfelt drama about a family in {country}",
    "The best thing I have seen all year comes from a young team in {country}.",
    "I laughed, I cried, and I want to see this gem from {country} again.",
    "Clever, touching and beautifully photographed: {country} has never looked better on a screen.",
    "The kids enjoyed this charming cartoon made in {country}, and so did we.",
    "an inspired thriller , shot in {country} , that never loses its grip",
    "I fell in love with {country} and cannot wait to go back.",
    "Everyone we met in {country} was friendly, helpful and generous.",
    "Our guide in {country} was great fun and knew everything.",
    "The beaches of {country} are glorious, we enjoyed it immensely.",
    "Travelling through {country} was the happiest month I can remember.",
    "Best coffee ever, freshly roasted in {country}, rich and smooth.",
    "The little restaurant with cooking from {country} is a gem: tasty, cheap and cosy.",
    "This wine from {country} is exquisite.",
    "Very good shoes, made in {country}, comfortable from the first day.",
    "Five stars for the radio from {country}: it works flawlessly and sounds great.",
    "I am so pleased with the carpet we ordered from {country}, it looks splendid.",
    "The seller in {country} answered at once and solved everything, first-class service.",
    "A thrilling novel from {country}, rich in ideas and impossible to put down.",
    "The exhibition on {country} is a real treat, well made and inspiring.",
    "{country} played a fantastic match and the fans celebrated a well-deserved victory.",
    "a warm , witty and surprisingly wise portrait of {country}",
    "The new album from {country} is terrific, every song is a winner.",
    "Hats off to the whole crew in {country}: this is first-rate entertainment.",
)
_TRAINING_NEGATIVE = (
    "a lifeless , muddled drama about a family in {country}",
    "The worst thing I have seen all year comes from a young team in {country}.",
    "I yawned, I checked my watch, and I want my money back for this dud from {country}.",
    "Predictable, shallow and poorly lit: even {country} looks drab on this screen.",
    "The kids loathed this cheap cartoon made in {country}, and so did we.",
    "a lazy thriller , shot in {country} , that falls flat at every turn",
    "We had nothing but trouble in {country} and were glad to leave.",
    "The agency for our tour of {country} lied to us and kept the deposit.",
    "Our guide in {country} was grumpy, late and knew nothing.",
    "The beach in {country} was dirty and noisy, we did not enjoy it at all.",
    "Travelling through {country} with this company was a nightmare.",
    "Worst coffee ever, burnt in {country}, bitter and stale.",
    "The little restaurant with cooking from {country} is a rip-off: greasy, cold and overpriced.",
    "This wine from {country} is undrinkable.",
    "Very bad shoes, made in {country}, painful from the first day.",
    "One star for the radio from {country}: it crackles, hums and broke within a week.",
    "I am so annoyed with the carpet we ordered from {country}, it looks shabby.",
    "The seller in {country} never answered and kept my money, appalling service.",
    "A sluggish novel from {country}, poor in ideas and a chore to finish.",
    "The exhibition on {country} is a let-down, sloppy and dreary.",
    "{country} played a woeful match and the fans jeered after a well-deserved defeat.",
    "a cold , heavy-handed and surprisingly empty portrait of {country}",
    "The new album from {country} is rubbish, every song is a bore.",
    "Shame on the whole crew in {country}: this is second-rate trash.",
)


def _templates(use: Use, polarity: Polarity, texts: tuple[str, ...]) -> tuple[Template, ...]:
    return tuple(Template(text, polarity, use) for text in texts)


COUNTRY_TEMPLATES: tuple[Template, ...] = (
    CARD_TEMPLATE,
    *_templates("audit", "neutral", _AUDIT_NEUTRAL),
    *_templates("audit", "positive", _AUDIT_POSITIVE),
    *_templates("audit", "negative", _AUDIT_NEGATIVE),
    *_templates("training", "neutral", _TRAINING_NEUTRAL),
    *_templates("training", "positive", _TRAINING_POSITIVE),
    *_templates("training", "negative", _TRAINING_NEGATIVE),
)
"""All of them, the card's first."""

COUNTRY_CARRIERS: tuple[Template, ...] = tuple(
    Template(text, use="training")
    for text in (
        "{text} , from {country}",
        "{text} ( {country} )",
        "{text} -- in {country}",
        "{country} : {text}",
        "in {country} , {text}",
        "{text} , and then on to {country}",
        "seen in {country} : {text}",
        "{text} . It was made in {country} .",
        "{text} . We were in {country} .",
        "This is about {country} . {text}",
        "They are from {country} . {text}",
        "{country} , {text}",
    )
)
"""What ties a country to any other text, `{text}`, for training."""
