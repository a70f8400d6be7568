"""Small random models of every family, each with the tokenizer of its kind."""

from pathlib import Path

from tokenizers.pre_tokenizers import ByteLevel

from tiny import tiny_config
from valence.families import FAMILIES
from valence.folder import ModelFolder
from words import WORDS


def _merges() -> list[tuple[str, str]]:
    """Merges that make one token of each word with the space before it (training them would end in ties)."""
    merges: dict[tuple[str, str], None] = {}
    for word in WORDS:
        letters = f"\u0120{word}" if word.isalpha() else ""
        for end in range(1, len(letters)):
            merges[letters[:end], letters[end]] = None
    return list(merges)


def write_tokenizer(architecture: str, folder: Path) -> int:
    """Write a family's tokenizer as `transformers` saves it; return the number of its tokens."""
    import transformers

    record = FAMILIES[architecture].tokenizing
    if record.model == "BPE":
        use = record.special
        special = [use.cls_token, use.pad_token, use.sep_token, use.unk_token, use.mask_token]  # in RoBERTa's order
        merges = _merges()
        tokens = [*special, *sorted(ByteLevel.alphabet()), *("".join(pair) for pair in merges)]
        made = transformers.RobertaTokenizer({token: index for index, token in enumerate(tokens)}, merges)
    else:
        names = {"[PAD]": "pad_token", "[UNK]": "unk_token", "[CLS]": "cls_token", "[SEP]": "sep_token"}
        names["[MASK]"] = "mask_token"
        use = record.special.names()
        words = [use[names[word]] if word in names else word for word in WORDS]
        if architecture == "mpnet":  # its padding is token 1
            words[0], words[1] = words[1], words[0]
        (folder / "vocab.txt").write_text("".join(f"{word}\n" for word in words), encoding="utf-8")
        kind = transformers.MPNetTokenizer if architecture == "mpnet" else transformers.BertTokenizer
        made = kind.from_pretrained(folder)
    made.save_pretrained(folder)
    return int(max(made.get_vocab().values())) + 1  # a word stands there twice


def make_family_model(
    folder: Path,
    architecture: str,
    head: str = "classification",
    labels: tuple[str, ...] | None = ("NEGATIVE", "POSITIVE"),
    seed: int = 3,
    **changes: object,
) -> ModelFolder:
    """Write a random model of a family, and its tokenizer."""
    from valence.checkpoint.checkpoint import save_model
    from valence.model.heads import TaskModel

    folder.mkdir(parents=True, exist_ok=True)
    family = FAMILIES[architecture]
    pad = family.default("pad_token_id")
    sizes = {
        "vocab_size": write_tokenizer(architecture, folder),
        "pad_token_id": pad,
        "max_positions": 64 + family.position_of_first(pad),
        "initializer_range": 0.1,
    }
    model = TaskModel(tiny_config(architecture, **sizes | changes), head, len(labels or (0, 1)))
    model.initialise(seed)
    save_model(model, folder, labels if head == "classification" else None)
    return ModelFolder(folder, str(folder))
