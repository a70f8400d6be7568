"""Small random models of `transformers`, built in memory: what ours is compared with."""

import torch
import transformers
from torch import nn

from valence.families import FAMILIES
from valence.folder import ModelFolder

transformers.utils.logging.set_verbosity_error()
transformers.utils.logging.disable_progress_bar()

HEADS = {
    ("distilbert", "classification"): transformers.DistilBertForSequenceClassification,
    ("distilbert", "masked-lm"): transformers.DistilBertForMaskedLM,
    ("bert", "classification"): transformers.BertForSequenceClassification,
    ("bert", "masked-lm"): transformers.BertForMaskedLM,
    ("bert", "next-sentence"): transformers.BertForNextSentencePrediction,
    ("roberta", "classification"): transformers.RobertaForSequenceClassification,
    ("roberta", "masked-lm"): transformers.RobertaForMaskedLM,
    ("electra", "classification"): transformers.ElectraForSequenceClassification,
    ("electra", "masked-lm"): transformers.ElectraForMaskedLM,
    ("mpnet", "classification"): transformers.MPNetForSequenceClassification,
    ("mpnet", "masked-lm"): transformers.MPNetForMaskedLM,
}
ARCHITECTURES = tuple(dict.fromkeys(architecture for architecture, _ in HEADS))
# Vocabulary, width, layers, heads, feed-forward width, positions.
SHAPES = ((97, 24, 1, 1, 40, 33), (53, 36, 2, 3, 20, 64), (211, 40, 3, 5, 72, 19))


def build_config(architecture, shape=SHAPES[1], activation="gelu", **more):
    """A config with weights large enough that a difference would show.

    With 0.3 the logits of `transformers` in fp32 are 2e-5 away from its own in fp64; with 0.2 they are 2e-6 away.
    """
    vocabulary, width, layers, heads, inner, positions = shape
    common = {"vocab_size": vocabulary, "max_position_embeddings": positions, "initializer_range": 0.2, **more}
    if architecture == "distilbert":
        return transformers.DistilBertConfig(
            dim=width, n_layers=layers, n_heads=heads, hidden_dim=inner, activation=activation, **common
        )
    if architecture == "electra":
        common = {"embedding_size": width + 4 if layers == 1 else width // 2 if layers == 2 else width, **common}
    kinds = {
        "bert": transformers.BertConfig,
        "roberta": transformers.RobertaConfig,
        "electra": transformers.ElectraConfig,
        "mpnet": transformers.MPNetConfig,
    }
    return kinds[architecture](
        hidden_size=width,
        num_hidden_layers=layers,
        num_attention_heads=heads,
        intermediate_size=inner,
        hidden_act=activation,
        **common,
    )


def build(model_class, config, seed=0):
    """A model with random values everywhere, biases and norms included."""
    state = torch.random.get_rng_state()
    torch.manual_seed(seed)
    model = model_class(config).eval()
    with torch.no_grad():
        for parameter in model.parameters():
            if parameter.ndim == 1:
                parameter.add_(torch.randn_like(parameter) * config.initializer_range)
        for module in model.modules():
            if isinstance(module, nn.Embedding) and module.padding_idx is not None:
                module.weight[module.padding_idx].normal_(0.0, config.initializer_range)
    torch.random.set_rng_state(state)
    return model


def save(model, path, **options):
    """The folder that `transformers` saves."""
    model.save_pretrained(path, **options)
    return ModelFolder(path, path.name)


def batch(config, seed=0, rows=4, tokens=None):
    """Token ids, a ragged mask and, where the family has them, token types, as keyword arguments of a network."""
    generator = torch.Generator().manual_seed(seed)
    family = FAMILIES[config.model_type]
    tokens = tokens or family.longest_text(config.max_position_embeddings, config.pad_token_id)
    lengths = torch.randint(1, tokens + 1, (rows,), generator=generator)
    lengths[0] = tokens
    ids = torch.randint(0, config.vocab_size, (rows, tokens), generator=generator)
    mask = (torch.arange(tokens)[None] < lengths[:, None]).long()
    types = torch.randint(0, 2, (rows, tokens), generator=generator)
    if family.tokenizing.token_types:
        return {"input_ids": ids, "attention_mask": mask, "token_type_ids": types}
    # Positions are counted by what is not padding, so padding must stand where the mask says, and nowhere else.
    ids = torch.where(ids == config.pad_token_id, ids + 1, ids).masked_fill(mask == 0, config.pad_token_id)
    return {"input_ids": ids, "attention_mask": mask}


def largest_difference(ours, theirs, inputs):
    """Between the logits of our model and theirs, where a token stands."""
    theirs_inputs = dict(inputs)
    if theirs.config.model_type == "distilbert":
        theirs_inputs.pop("token_type_ids", None)
    with torch.inference_mode():
        expected = theirs(**theirs_inputs).logits
        found = ours(**inputs)
    assert found.shape == expected.shape
    difference = (found - expected).abs()
    if difference.ndim == 3 and "attention_mask" in inputs:
        difference = difference[inputs["attention_mask"].bool()]
    return float(difference.max())
