"""sentence-transformers, instrumented, with tiny modules made here; run by test_sentence_transformers.py at its oldest and newest version."""

from __future__ import annotations

import inspect
import os

os.environ["HF_HUB_OFFLINE"] = os.environ["TRANSFORMERS_OFFLINE"] = "1"

import numpy as np
import pytest
import torch
from sentence_transformers import SentenceTransformer, models
from transformers import BertConfig, BertModel, BertTokenizerFast

import otel_fe
from tests.libraries.inside.seen import told, tree, watching

WORDS = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", "red", "green", "blue"]
TEXTS = ["red", "green blue", "blue"]


@pytest.fixture(scope="module")
def encoder(tmp_path_factory):
    """Return an encoder of a tiny model and mean pooling."""
    folder = tmp_path_factory.mktemp("models") / "tiny-bert"
    folder.mkdir()
    (folder / "vocab.txt").write_text("\n".join(WORDS))
    config = BertConfig(
        vocab_size=len(WORDS), hidden_size=16, num_hidden_layers=1, num_attention_heads=2, intermediate_size=16
    )
    BertModel(config).save_pretrained(folder)
    BertTokenizerFast(str(folder / "vocab.txt")).save_pretrained(folder)
    transformer = models.Transformer(str(folder))
    return SentenceTransformer(modules=[transformer, models.Pooling(16)], device="cpu")


def test_encode_is_an_extraction(encoder):
    """Named by the model; the texts are its entities, the size of an embedding its features."""
    alone = encoder.encode(TEXTS, show_progress_bar=False)
    with watching() as captured:
        assert np.array_equal(encoder.encode(TEXTS, show_progress_bar=False), alone)
        encoder.encode("red")
        encoder.encode(TEXTS, convert_to_tensor=True)
        encoder.encode(TEXTS, convert_to_numpy=False)
    assert tree(captured) == ["feature_extraction tiny-bert"] * 4
    counts = [told(span)[1:] for span in captured.extractions()]
    assert counts == [(3, 16), (1, 16), (3, 16), (3, 16)]
    assert {told(span)[0] for span in captured.spans} == {"sentence-transformers"}


def test_queries_and_documents_are_encoded_once(encoder):
    """`encode_query` and `encode_document` (from 5.0) are one extraction each, as `encode` inside them."""
    if not hasattr(encoder, "encode_query"):
        assert not hasattr(encoder, "encode_document")
        return
    with watching() as captured:
        encoder.encode_query(TEXTS)
        encoder.encode_document(TEXTS)
    assert tree(captured) == ["feature_extraction tiny-bert"] * 2


def test_errors_are_its_own_and_everything_is_put_back(encoder):
    """The span has the type of the library's error; inside an application's extraction it is a child."""
    before = dict(vars(SentenceTransformer))
    signature = str(inspect.signature(SentenceTransformer.encode))
    with watching() as captured, otel_fe.extraction("mine"):
        assert str(inspect.signature(SentenceTransformer.encode)) == signature
        with pytest.raises((AttributeError, TypeError, ValueError, KeyError)) as failed:
            encoder.encode([object()])
    assert tree(captured) == [("feature_extraction mine", "tiny-bert")]
    assert captured.spans[0].attributes["error.type"].endswith(failed.type.__name__)
    assert dict(vars(SentenceTransformer)) == before
    assert not torch.cuda.is_initialized()
