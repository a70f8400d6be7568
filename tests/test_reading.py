"""How texts are read: checked once, the same whichever way the options come."""

from dataclasses import FrozenInstanceError

import pytest

import valence
from fake_engine import FakeEngine
from valence.errors import InputError
from valence.folder import ModelFolder
from valence.reading import TRUNCATED, Reading
from valence.runtime.classifier import Classifier
from valence.runtime.load import Loading, load_folder, load_with
from valence.text.tokenizer import Tokenizer

OF_NO_USE = [
    ({"max_length": 2}, "max length must be a whole number from 3, found 2"),
    ({"max_length": 0}, "max length must be a whole number from 3, found 0"),
    ({"max_length": -1}, "max length must be a whole number from 3, found -1"),
    ({"max_length": "8"}, "max length must be a whole number from 3, found '8'"),
    ({"max_length": 8.0}, "max length must be a whole number from 3, found 8.0"),
    ({"max_length": True}, "max length must be a whole number from 3, found True"),
    ({"long_text": "windows"}, "long_text must be 'error', 'truncate' or 'window', found 'windows'"),
    ({"long_text": None}, "long_text must be 'error', 'truncate' or 'window', found None"),
    ({"aggregation": "median"}, "aggregation must be one of 'mean', 'max', 'vote', found 'median'"),
    ({"aggregation": ["mean"]}, "aggregation must be one of 'mean', 'max', 'vote', found"),
    ({"stride": -1}, "stride must be a whole number from 0, found -1"),
    ({"stride": 1.0}, "stride must be a whole number from 0, found 1.0"),
    ({"stride": True}, "stride must be a whole number from 0, found True"),
    ({"max_length": 10, "stride": 5}, "from 0 to 4, half of what a window of 10 tokens holds, found 5"),
    ({"long_text": "truncate", "stride": 1}, "stride and aggregation go with long_text 'window', found 'truncate'"),
    ({"long_text": "error", "aggregation": "max"}, "stride and aggregation go with long_text 'window', found 'error'"),
]


@pytest.mark.parametrize(("options", "message"), OF_NO_USE)
def test_what_is_of_no_use(tiny_classifier, options, message):
    """Refused before a file is opened, in the same words by every door."""
    folder = ModelFolder(tiny_classifier, "m")
    doors = (Reading, lambda **found: valence.load("default", **found), lambda **found: load_folder(folder, **found))
    for door in doors:
        with pytest.raises(InputError, match=message):
            door(**options)


def test_every_door_gives_the_same_classifier(tiny_classifier):
    folder = ModelFolder(tiny_classifier, "m")
    options = {"max_length": 20, "stride": 3, "aggregation": "max"}
    expected = Reading(20, "window", 3, "max")
    by_name, by_folder = valence.load(tiny_classifier, **options), load_folder(folder, **options)
    whole = load_with(folder, Loading("auto", None, None, None, expected))
    for classifier in (by_name, by_folder, whole):
        assert classifier.reading == expected
        assert (classifier.long_text, classifier.stride, classifier.aggregation) == ("window", 3, "max")
        assert classifier.tokenizer.max_length == 20
    text = "the plot was awful " * 20
    assert by_name(text) == by_folder(text) == whole(text)


def test_it_cannot_be_changed_afterwards(tiny_classifier):
    classifier = valence.load(tiny_classifier)
    with pytest.raises(FrozenInstanceError):
        classifier.reading.stride = 1
    classifier.stride = 1  # which takes another one, and checks it
    assert classifier.reading == Reading(classifier.tokenizer.max_length, stride=1)
    with pytest.raises(InputError, match="stride must be"):
        classifier.stride = -1
    classifier.long_text, classifier.aggregation = "window", "max"
    assert (classifier.stride, classifier.aggregation) == (1, "max")


def test_a_classifier_takes_it_whole_or_in_parts(tiny_classifier):
    tokenizer = Tokenizer.from_folder(ModelFolder(tiny_classifier, "m"), 20)

    def classifier(**options):
        return Classifier(tokenizer, FakeEngine(2), ("a", "b"), **options)

    assert classifier(reading=TRUNCATED).reading == classifier(long_text="truncate").reading
    assert classifier().reading == Reading(20)
    with pytest.raises(InputError, match="give either reading, or long_text, stride and aggregation"):
        classifier(reading=TRUNCATED, stride=3)
    with pytest.raises(InputError, match="max length must be the tokenizer's 20, found 8"):
        classifier(reading=Reading(8))
    with pytest.raises(InputError, match="from 0 to 9, half of what a window of 20 tokens holds, found 10"):
        classifier(reading=Reading(stride=10))
