"""The words of a card that do not depend on what was measured."""

from valence.card.facts import MAPS

__all__ = [
    "EXAMPLE",
    "FAMILIES",
    "MAP_TITLES",
    "METRIC_TITLES",
    "MISUSE",
    "NOT_AUDITED",
    "ONLY_SHOWS",
    "PAPERS",
]

FAMILIES = {"distilbert": "DistilBERT", "bert": "BERT"}
METRIC_TITLES = {
    "accuracy": "accuracy",
    "precision": "precision",
    "recall": "recall",
    "f1": "F1",
    "auc": "AUC",
    "loss": "loss",
    "mcc": "MCC",
}
EXAMPLE = "Hello, my dog is cute"
MISUSE = (
    "Do not let it decide about people, alone or in the first place: about work, credit, housing, health, law, or what "
    "they may say. Do not use it to make others feel unwelcome. It knows nothing of the world: a score says how a text "
    "reads to the model, not whether the text is true. Texts of another kind or language than it was trained on get an "
    "answer, too, and nothing warns that the answer is worth little."
)
NOT_AUDITED = (
    "Models of this kind are known to answer differently for texts that name different countries, groups or people. "
    "This one has not been audited."
)
ONLY_SHOWS = (
    "What the model does to texts that differ only in whom or what they name. A probe can show bias, never its absence."
)
MAP_TITLES = dict(zip(MAPS, ("Map of the positive score by country", "The same map before"), strict=True))
PAPERS = {
    "distilbert": """@article{sanh2019distilbert,
  title   = {DistilBERT, a distilled version of BERT: smaller, faster, cheaper and lighter},
  author  = {Sanh, Victor and Debut, Lysandre and Chaumond, Julien and Wolf, Thomas},
  journal = {arXiv preprint arXiv:1910.01108},
  year    = {2019}
}""",
    "bert": """@inproceedings{devlin2019bert,
  title     = {{BERT}: Pre-training of Deep Bidirectional Transformers for Language Understanding},
  author    = {Devlin, Jacob and Chang, Ming-Wei and Lee, Kenton and Toutanova, Kristina},
  booktitle = {Proceedings of NAACL-HLT},
  year      = {2019}
}""",
}
