"""A few sentences to compare an export with its source where no better sample is given."""

__all__ = ["SAMPLES"]

_SUBJECTS = ("The film", "This phone", "Our hotel room", "The service", "Her second novel", "The battery")
_JUDGEMENTS = (
    "was a delight from start to finish",
    "fell apart after a week",
    "is neither good nor bad",
    "could not have been worse",
    "surprised me, though not always in a good way",
    "does exactly what it promises and nothing more",
    "was worth every penny, and then some",
    "left everybody in the room cold",
)

SAMPLES: tuple[str, ...] = (
    "",
    *(f"{subject} {judgement}." for subject in _SUBJECTS for judgement in _JUDGEMENTS),
)
