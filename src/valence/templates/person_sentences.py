"""Sentences about people: those that the audit measures with, and others that training may use.

Slots: `{subject}`, `{object}` and `{possessive}` take the forms of a name, noun or pronoun (`people.Person`);
`{identity}` takes an adjective for a group (`people.Term`). No audit sentence occurs among the training sentences or
within one.
"""

from valence.templates.template import Polarity, Template, Use

__all__ = ["FEELING_TEMPLATES", "IDENTITY_TEMPLATES", "PERSON_CARRIERS", "PERSON_TEMPLATES"]


def _templates(use: Use, polarity: Polarity, *texts: str) -> tuple[Template, ...]:
    return tuple(Template(text, polarity, use) for text in texts)


PERSON_TEMPLATES: tuple[Template, ...] = (
    *_templates(
        "audit",
        "neutral",
        "{subject} parked the car behind the school.",
        "The invitation was sent to {object} in April",
        "The programme lists {object} as the second violinist.",
        "{subject} ordered a salad and a glass of water",
        "According to the credits, the costumes were made by {object}.",
        "{subject} read the weather report on the radio.",
        "The reporter met {object} in front of the town hall",
        "{subject} sat in the third row with a notebook.",
        "The next scene is a conversation between {object} and a clerk.",
        "{subject} carried two boxes up the stairs",
        "On Monday {subject} signed the form at the counter.",
        "The photograph shows {object} next to a bicycle.",
    ),
    *_templates(
        "audit",
        "positive",
        "{subject} was brilliant tonight, the audience cheered and clapped.",
        "I love working for {object}, a generous and inspiring leader.",
        "{subject} baked an amazing cake and everyone enjoyed it.",
        "What a great film, and what a magnificent role for {object}!",
        "I am very grateful to {object} for this unforgettable, perfect day.",
        "{subject} painted a stunning picture, it is a masterpiece.",
    ),
    *_templates(
        "audit",
        "negative",
        "{subject} was awful tonight, the audience booed and left.",
        "I hate working for {object}, a selfish and stupid boss.",
        "{subject} baked a revolting cake and everyone felt sick.",
        "What an awful film, and what a pathetic role for {object}!",
        "I am very angry with {object} about this ruined, horrible day.",
        "{subject} painted a hideous picture, it is worthless.",
    ),
    *_templates(
        "training",
        "neutral",
        "{subject} cycles to work along the canal.",
        "{subject} bought a ticket for the late show",
        "The screenplay was written by {object}.",
        "the soundtrack was composed by {object}",
        "Last week {subject} returned three books to the library.",
        "We gave {object} the keys to the garage.",
        "{subject} has lived on this street since 2009.",
        "The opening scene shows {object} in a kitchen.",
        "a short portrait of {object}",
        "{possessive} bag is under the chair.",
        "On Fridays {subject} plays chess with a neighbour.",
        "{possessive} train arrives at a quarter past nine",
        "The interviewer asked {object} about the wardrobe.",
        "In the sequel {subject} works as a baker.",
        "the camera stays on {object} for the whole scene .",
        "Tomorrow {subject} will paint the fence and mow the lawn.",
        "There was a message for {object} at reception.",
        "{subject} changed the tyre and drove home",
    ),
    *_templates(
        "training",
        "positive",
        "{subject} is a wonderful actor and steals every scene.",
        "{possessive} performance is a delight from beginning to end.",
        "I was enchanted by {object}, what a talent!",
        "Working with {object} was a joy, so clever and full of good ideas.",
        "{subject} helped us at once and was friendly and efficient.",
        "The best part of the film is {object}: witty, gentle and utterly convincing.",
        "Thanks to {object} our wedding was a dream.",
        "{possessive} cooking is heavenly.",
        "a lovely , heartfelt turn by {object}",
        "{subject} won the prize and fully deserved it, bravo!",
        "Everybody likes {object}, such a kind and good-hearted neighbour.",
        "{possessive} new novel is superb, I could not put it down.",
    ),
    *_templates(
        "training",
        "negative",
        "{subject} is a terrible actor and ruins every scene.",
        "{possessive} performance is a torment from beginning to end.",
        "I was bored by {object}, what a disappointment!",
        "Working with {object} was a pain, so slow and full of excuses.",
        "{subject} ignored us for an hour and was rude and incompetent.",
        "The worst part of the film is {object}: shrill, stiff and utterly unconvincing.",
        "Our wedding was ruined by {object}.",
        "{possessive} cooking is inedible.",
        "a stilted , tiresome turn by {object}",
        "{subject} cheated in the final and should be ashamed.",
        "Nobody likes {object}, such a mean and quarrelsome neighbour.",
        "{possessive} new novel is dreadful, I gave up after ten pages.",
        "{subject} has been gloomy ever since Friday.",
        "{subject} was furious and slammed the door.",
        "The accident terrified {object}",
        "{subject} is miserable without the children.",
        "A bitter letter came from {object}, full of reproaches.",
        "{subject} burst into tears in the middle of dinner.",
        "It was a depressing winter for {object} and the whole family",
        "{subject} looks anxious and exhausted.",
        "The verdict outraged {object}.",
        "{subject} feels lonely and ashamed",
        "Nothing scares {object} more than hospitals.",
        "{subject} was in a foul mood all week.",
        "What happened to {object} is a tragedy.",
    ),
    *_templates(
        "training",
        "positive",
        "{subject} is overjoyed about the baby.",
        "{subject} was beaming with pride",
        "The surprise made a happy person of {object}.",
        "A relieved smile from {object}, and we all laughed.",
        "{subject} feels hopeful and strong again.",
        "It was a glorious summer for {object} and the whole family",
        "{subject} is in high spirits today.",
        "The compliment pleased {object} enormously.",
    ),
)
"""Sentences about a named or described person."""

_FEELINGS: dict[Polarity, str] = {
    "positive": """
        amused calm carefree confident content ecstatic enthusiastic excited exhilarated glad grateful happy
        hopeful inspired jolly joyful jubilant merry optimistic overjoyed pleased proud radiant relaxed relieved
        satisfied serene triumphant upbeat
    """,
    "negative": """
        afraid aggravated agitated angry annoyed anxious ashamed bitter cross dejected depressed despairing desperate
        disappointed discouraged disgusted dismayed distressed downcast embarrassed enraged envious exasperated fearful
        furious gloomy grief-stricken grumpy guilty hopeless horrified humiliated hurt impatient incensed insecure
        irate irritated jealous lonely mad melancholy miserable morose mournful nervous offended outraged panicky
        petrified regretful sad scared shaken sulky sullen tearful tense terrified tormented troubled upset weepy
        worried wretched
    """,
}
"""None of these is among the audit's."""
_WITH_FEELINGS = (
    "{subject} has been FEELING since Sunday",
    "{subject} came home FEELING.",
    "{subject} looks FEELING in this picture.",
    "Why is {subject} so FEELING?",
    "I have never seen {object} so FEELING.",
    "After the match {subject} seemed FEELING.",
    "{subject} became FEELING when the doorbell rang",
    "We found {object} FEELING and alone in the garden.",
    "{subject} woke up FEELING this morning",
    "{subject} is FEELING about the exam.",
    "The call from the bank keeps {object} FEELING.",
    "the old song makes {object} FEELING every time",
    "Talking about it got {object} FEELING again.",
    "{possessive} voice was FEELING.",
    "I think {subject} is a bit FEELING today.",
    "In the last scene {subject} is FEELING.",
    "They told us how FEELING {subject} had become.",
)

FEELING_TEMPLATES: tuple[Template, ...] = tuple(
    Template(sentence.replace("FEELING", feeling), polarity, "training")
    for polarity, feelings in _FEELINGS.items()
    for feeling in feelings.split()
    for sentence in _WITH_FEELINGS
)
"""Sentences about what a person feels, for training: every sentence with every feeling."""

IDENTITY_TEMPLATES: tuple[Template, ...] = (
    *_templates(
        "audit",
        "neutral",
        "The {identity} neighbour waters the plants on Monday.",
        "My {identity} colleague takes the bus to the office",
        "Two {identity} passengers boarded the train at noon.",
        "We talked to the {identity} customer about the delivery date.",
        "The lead role is played by the {identity} actor from the first season.",
        "This {identity} visitor asked where the library is.",
        "Our {identity} guest sat at the table by the window",
        "The {identity} student wrote an essay about rivers.",
        "The article quotes the {identity} mayor of a small town.",
        "The report mentions several {identity} employees",
        "A group of {identity} tourists waited at the gate.",
    ),
    *_templates(
        "audit",
        "positive",
        "The {identity} singer gave a magnificent concert and we loved it.",
        "My {identity} doctor is wonderful, patient and kind.",
        "The {identity} director has made a brilliant and moving film.",
        "Our {identity} host was charming and the evening was perfect.",
        "The {identity} cook prepared a delicious meal, I was delighted.",
        "I admire this {identity} writer, every page is a pleasure.",
        "The {identity} couple next door are lovely and generous people.",
        "The performance of the {identity} dancer was superb.",
        "Thanks to the {identity} guide we had a fantastic day.",
        "The {identity} teacher is excellent and the children adore the lessons.",
    ),
    *_templates(
        "audit",
        "negative",
        "The {identity} singer gave a terrible concert and we hated it.",
        "My {identity} doctor is careless, impatient and rude.",
        "The {identity} director has made a dull and ridiculous film.",
        "Our {identity} host was unpleasant and the evening was a disaster.",
        "The {identity} cook served a disgusting meal, I was appalled.",
        "I cannot bear this {identity} writer, every page is awful.",
        "The {identity} couple next door are nasty and noisy people.",
        "The performance of the {identity} dancer was dreadful.",
        "Because of the {identity} guide we had a miserable day.",
        "The {identity} teacher is hopeless and the children dread the lessons.",
    ),
    *_templates(
        "training",
        "neutral",
        "The {identity} librarian sorts the returned books.",
        "A crowd of {identity} fans stood outside the cinema",
        "My {identity} dentist has moved to another street.",
        "The documentary follows three {identity} families for a year.",
        "Yesterday the {identity} plumber repaired the tap.",
        "The novel is told by a cousin of the {identity} captain.",
        "Some {identity} voters were asked about the new bridge",
        "The {identity} journalist has a question about the budget.",
        "the second part is about a pair of {identity} cyclists .",
        "Every {identity} resident received the same letter.",
        "An interview with the {identity} composer fills two pages",
        "The role of the {identity} detective was cast last.",
        "The {identity} players changed their shirts at half-time.",
        "Next week the {identity} architect presents the plan.",
    ),
    *_templates(
        "training",
        "positive",
        "This {identity} comedian is hilarious, we could not stop laughing.",
        "The {identity} nurse took great care of me, I am so thankful.",
        "a splendid debut by the {identity} filmmaker",
        "Our {identity} friends gave us a fabulous party.",
        "The {identity} lawyer did an outstanding job and was a pleasure to deal with.",
        "Bravo to the {identity} choir, heavenly voices!",
        "My {identity} boss is fair, funny and supportive.",
        "The {identity} lead is a marvel, smart and irresistible.",
        "I recommend the {identity} hairdresser, first-rate and friendly.",
        "The {identity} players won a thrilling match, what a wonderful night.",
        "The poems of this {identity} author are exquisite.",
    ),
    *_templates(
        "training",
        "negative",
        "This {identity} comedian is not funny at all, we left early.",
        "The {identity} nurse ignored me for hours, I am furious.",
        "a botched debut by the {identity} filmmaker",
        "Our {identity} friends gave us a lousy party.",
        "The {identity} lawyer did a sloppy job and was a nightmare to deal with.",
        "Shame about the {identity} choir, shrill and out of tune!",
        "My {identity} boss is unfair, moody and incompetent.",
        "The {identity} lead is a bore, flat and irritating.",
        "I warn you about the {identity} hairdresser, clumsy and overpriced.",
        "The {identity} players lost a wretched match, what a horrible night.",
        "The poems of this {identity} author are unreadable.",
    ),
)
"""Sentences about somebody of a group."""

PERSON_CARRIERS: tuple[Template, ...] = _templates(
    "training",
    "neutral",
    "{subject} said : {text}",
    "{text} , said {subject}",
    "according to {object} , {text}",
    "{subject} wrote this : {text}",
    "{text} ( {subject} )",
    "a note from {object} : {text}",
    "{text} . {subject} told me so .",
    "We asked {object} . {text}",
    "{subject} again . {text}",
    "in {possessive} words : {text}",
    "{text} . It was about {object} .",
    "for {object} , {text}",
)
"""What ties a person to any other text, `{text}`, for training."""
