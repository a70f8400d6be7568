"""Small random models of every family, each with the tokenizer of its kind."""

from pathlib import Path

from tiny import tiny_config
from valence.families import FAMILIES
from valence.folder import ModelFolder
from words import WORDS

_CORPUS = [f"{one} {other} {one}ing. It was {other}!" for one in WORDS if one.isalpha() for other in WORDS[9:14]]


def write_tokenizer(architecture: str, folder: Path) -> int:
    """Write a family's tokenizer as `transformers` saves it; return the number of its tokens."""
    import transformers

    record = FAMILIES[architecture].tokenizing
    if record.model == "BPE":
        from tokenizers import ByteLevelBPETokenizer

        use = record.special
        special = [use.cls_token, use.pad_token, use.sep_token, use.unk_token, use.mask_token]  # in RoBERTa's order
        trained = ByteLevelBPETokenizer()
        trained.train_from_iterator(_CORPUS, vocab_size=400, special_tokens=special, show_progress=False)
        trained.save_model(str(folder))
        made = transformers.RobertaTokenizer.from_pretrained(folder)
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
