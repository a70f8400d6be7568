"""An explanation as a page of its own: one HTML file that needs nothing else and shows no sign by colour alone."""

import html

from valence.explain.attribution import Attribution, WordAttribution
from valence.explain.wording import decimals, sentences

__all__ = ["render_page"]

_PLAIN_BELOW = 0.05  # of the strongest attribution: such words are not marked
_STYLE = """
:root { color-scheme: light dark; --up: 42 120 190; --down: 226 135 25; }
body { font: 1rem/1.6 system-ui, sans-serif; max-width: 50rem; margin: 2rem auto; padding: 0 1rem; }
.text { font-size: 1.15rem; line-height: 2.3; white-space: pre-wrap; overflow-wrap: anywhere; }
.up, .down { padding: .15em .1em; border-radius: .2em; border-bottom: .15em solid; }
.up { background: rgb(var(--up) / calc(var(--strength) * .55)); border-color: rgb(var(--up)); }
.down { background: rgb(var(--down) / calc(var(--strength) * .55)); border-color: rgb(var(--down));
  border-bottom-style: dashed; }
sup { line-height: 0; font-weight: bold; }
table { border-collapse: collapse; }
th, td { padding: .15rem .8rem; text-align: left; border-bottom: 1px solid rgb(128 128 128 / .4); }
td.number { text-align: right; font-variant-numeric: tabular-nums; }
td.word { white-space: pre-wrap; overflow-wrap: anywhere; }
""".strip()


def render_page(attribution: Attribution) -> str:
    """Write an explanation as HTML.

    Args:
        attribution: the explanation.

    Returns:
        A whole page, without scripts and without anything from elsewhere.
    """
    target = _escaped(attribution.target)
    said = "<br>\n".join(map(_escaped, sentences(attribution)))
    parts = attribution.text if isinstance(attribution.text, tuple) else (attribution.text,)
    texts = "\n".join(
        f'<p class="text" dir="auto">{_marked(part, attribution, number)}</p>' for number, part in enumerate(parts)
    )
    return f"""<!DOCTYPE html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta http-equiv="Content-Security-Policy" content="default-src 'none'; style-src 'unsafe-inline'">
<title>What moved the score of {target}</title>
<style>
{_STYLE}
</style>
</head>
<body>
<main>
<h1>What moved the score of {target}</h1>
<p>{said}</p>
<p>A solid line and a <strong>+</strong> mark a word that speaks for {target}, a dashed line and a
<strong>−</strong> one that speaks against it; the stronger the tint, the more it does. Words without a mark hardly
matter.</p>
{texts}
<h2>Every word</h2>
{_table(attribution)}
</main>
</body>
</html>
"""


def _marked(text: str, attribution: Attribution, part: int) -> str:
    """Mark the words of one text where they stand."""
    strongest = attribution.strongest
    places = decimals(attribution)
    pieces: list[str] = []
    written = 0
    for word in attribution.words:
        strength = abs(word.attribution) / strongest if strongest else 0.0
        if word.part != part or strength < _PLAIN_BELOW:
            continue
        kind, sign = ("up", "+") if word.attribution > 0 else ("down", "−")
        pieces += [
            _escaped(text[written : word.start]),
            f'<span class="{kind}" style="--strength:{strength:.2f}" title="{_figure(word, places)}">',
            f"{_escaped(text[word.start : word.end])}<sup>{sign}</sup></span>",
        ]
        written = word.end
    return "".join([*pieces, _escaped(text[written:])])


def _table(attribution: Attribution) -> str:
    if not attribution.words:
        return "<p>The text has no words.</p>"
    places = decimals(attribution)
    rows = "\n".join(
        f'<tr><td class="word" dir="auto">{_escaped(word.text)}</td>'
        f'<td class="number">{_figure(word, places)}</td></tr>'
        for word in attribution.words
    )
    return f"""<table>
<thead><tr><th scope="col">word</th><th scope="col">attribution ({attribution.unit})</th></tr></thead>
<tbody>
{rows}
</tbody>
</table>"""


def _figure(word: WordAttribution, places: int) -> str:
    return f"{word.attribution:+.{places}f}".replace("-", "−")


def _escaped(text: str) -> str:
    """Escape text for HTML; characters that HTML does not allow are shown as unknown."""
    allowed = "".join("\ufffd" if _is_control(character) else character for character in text)
    return html.escape(allowed)


def _is_control(character: str) -> bool:
    code = ord(character)
    return (code < 0x20 and character not in "\t\n\r") or 0x7F <= code < 0xA0
