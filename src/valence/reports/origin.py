"""What nobody can measure: title, languages, licence and origin of a model. reports/origin.json, written by hand."""

import msgspec

from valence.reports.report import Report

__all__ = ["Origin", "OriginOfData", "OriginOfWeights"]

Texts = str | tuple[str, ...]  # a single one may stand without brackets


class OriginOfWeights(msgspec.Struct, frozen=True, kw_only=True):
    """Something that the weights were made from.

    Args:
        what: it is.
        origin: where it comes from.
        licence: what it may be used for.
    """

    what: str
    origin: str
    licence: str


class OriginOfData(msgspec.Struct, frozen=True, kw_only=True):
    """Where data that the model was measured on can be had.

    Args:
        name: of the data, as evaluations have it.
        source: where; "from" in the file.
    """

    name: str
    source: str = msgspec.field(name="from")


class Origin(Report, frozen=True, kw_only=True):
    """What was written down by hand; all of it is optional.

    Args:
        title: of the card.
        language: of the texts that the model reads, one or several.
        licence: of the weights.
        licence_note: more about it.
        developed_by: whom.
        made_for: what the model is for.
        made_again_by: the command that makes it again.
        base_model: ids on the hub, one or several.
        datasets: likewise.
        citations: in BibTeX, one or several.
        sources: what the weights were made from.
        data: what the model was measured on.
    """

    title: str | None = None
    language: Texts | None = None
    licence: str | None = None
    licence_note: str | None = None
    developed_by: str | None = None
    made_for: str | None = None
    made_again_by: str | None = None
    base_model: Texts | None = None
    datasets: Texts | None = None
    citations: Texts | None = None
    sources: tuple[OriginOfWeights, ...] | None = None
    data: tuple[OriginOfData, ...] | None = None

    def listed(self, name: str) -> list[str]:
        """Read one of the lists of texts.

        Args:
            name: of the field.

        Returns:
            Its texts.
        """
        found: Texts | None = getattr(self, name)
        return [found] if isinstance(found, str) else list(found or ())
