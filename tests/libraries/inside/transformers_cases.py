"""transformers, instrumented, with tiny models made here; run by test_transformers.py in environments with its oldest and newest version."""

from __future__ import annotations

import inspect
import os
import subprocess
import sys

os.environ["HF_HUB_OFFLINE"] = os.environ["TRANSFORMERS_OFFLINE"] = "1"

import numpy as np
import pytest
import torch
from PIL import Image
from transformers import (
    BertConfig,
    BertModel,
    BertTokenizerFast,
    FeatureExtractionPipeline,
    SequenceFeatureExtractor,
    ViTImageProcessor,
    Wav2Vec2FeatureExtractor,
)

import otel_fe
from otel_fe.instrument.libraries.hooked import Hooked
from tests.libraries.inside.seen import told, tree, watching

WORDS = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", "red", "green", "blue"]
NAME = "feature_extraction tiny-bert"


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """Return where a tiny model with its tokenizer lies."""
    found = tmp_path_factory.mktemp("models") / "tiny-bert"
    found.mkdir()
    (found / "vocab.txt").write_text("\n".join(WORDS))
    config = BertConfig(
        vocab_size=len(WORDS), hidden_size=16, num_hidden_layers=1, num_attention_heads=2, intermediate_size=16
    )
    torch.manual_seed(0)
    BertModel(config).save_pretrained(found)
    BertTokenizerFast(str(found / "vocab.txt")).save_pretrained(found)
    return found


@pytest.fixture(scope="module")
def pipeline(folder):
    """Return a feature-extraction pipeline with it."""
    return FeatureExtractionPipeline(
        model=BertModel.from_pretrained(folder), tokenizer=BertTokenizerFast.from_pretrained(folder)
    )


def test_a_pipeline_s_call_is_an_extraction(pipeline):
    """The model is the feature set, the texts its entities, the size of its hidden states its features."""
    alone = pipeline(["red", "green blue"])
    with watching() as captured:
        assert pipeline(["red", "green blue"]) == alone
        pipeline("red")
    assert tree(captured) == [NAME, NAME]
    assert [told(span) for span in captured.extractions()] == [("transformers", 2, 16), ("transformers", 1, 16)]
    function = captured.spans[0].attributes["code.function.name"]
    assert function == "transformers.pipelines.feature_extraction.FeatureExtractionPipeline.__call__"


def test_tokenizers_and_models_by_themselves_are_none(folder):
    """Tokenizers and models by themselves are no extractions: only the application knows whether their results are features."""
    tokenizer, model = BertTokenizerFast.from_pretrained(folder), BertModel.from_pretrained(folder)
    with watching() as captured:
        model(**tokenizer(["red", "blue"], return_tensors="pt"))
    assert captured.spans == ()


def test_feature_extractors_are_extractions():
    """A feature extractor of sound has a row per example and a column per sample; a class of the application counts too."""
    sound = [np.zeros(100, dtype="float32"), np.ones(100, dtype="float32")]
    with watching() as captured:

        class Ours(SequenceFeatureExtractor):
            model_input_names = ("input_values",)

            def __call__(self, sound):
                return self.pad({"input_values": sound}, return_tensors="np")

        Wav2Vec2FeatureExtractor()(sound, sampling_rate=16_000, return_tensors="np")
        Ours(feature_size=1, sampling_rate=16_000, padding_value=0.0)(sound)
    assert tree(captured) == ["feature_extraction Wav2Vec2FeatureExtractor", "feature_extraction Ours"]
    assert [told(span) for span in captured.extractions()] == [("transformers", 2, 100)] * 2


def test_image_processors_are_extractions():
    """An image an entity."""
    images = [Image.new("RGB", (8, 8), colour) for colour in ("red", "blue")]
    processor = ViTImageProcessor(size={"height": 4, "width": 4})
    alone = processor(images, return_tensors="np")["pixel_values"]
    with watching() as captured:
        found = processor(images, return_tensors="np")["pixel_values"]
    assert (np.asarray(found) == np.asarray(alone)).all()
    (span,) = captured.extractions()
    assert span.name.startswith("feature_extraction ViTImageProcessor")
    assert told(span) == ("transformers", 2, None)


def test_errors_are_transformers_own(pipeline):
    """The span has the type of the error that transformers raises."""
    with watching() as captured, pytest.raises(Exception) as raised:
        pipeline(["red"], truncation=True, tokenize_kwargs={"truncation": True})
    assert captured.extraction("tiny-bert").attributes["error.type"].endswith(raised.type.__name__)


def test_inside_an_extraction_all_are_children_and_everything_is_put_back(pipeline):
    """The application's own extraction is the outermost; classes hold what they held."""
    classes = FeatureExtractionPipeline, Wav2Vec2FeatureExtractor, SequenceFeatureExtractor, *ViTImageProcessor.__mro__
    before = [dict(vars(cls)) for cls in classes if cls is not object]
    with watching() as captured, otel_fe.extraction("mine"):
        assert isinstance(vars(FeatureExtractionPipeline)["__call__"], Hooked)
        assert str(inspect.signature(FeatureExtractionPipeline.__call__)).startswith("(self, *args")
        pipeline("red")
    assert tree(captured) == [("feature_extraction mine", "tiny-bert")]
    assert [dict(vars(cls)) for cls in classes if cls is not object] == before


def test_a_gpu_that_is_not_there_is_not_asked(pipeline):
    """CUDA stays as it was: not initialised."""
    with watching() as captured:
        pipeline("red")
    assert not torch.cuda.is_initialized()
    assert not [name for name in captured.extraction().attributes if ".gpu." in name]


CUDA = """
import os, torch
from otel_fe.instrument.libraries.torch import peaks

def asked():
    try:
        return peaks()
    except RuntimeError as error:
        return str(error)

assert asked() == ()
try:
    torch.cuda.init()  # which fails, after what it has to do about forks
except RuntimeError:
    pass
torch.cuda._initialized, torch.cuda.device_count = True, lambda: 1  # as with a GPU
assert asked().startswith("Invalid device argument")  # of PyTorch's own code, which was called
child = os.fork()
if child == 0:
    os._exit(0 if asked() == () else 1)
assert os.waitpid(child, 0)[1] == 0
torch.cuda.memory.change_current_allocator(torch.cuda.memory.CUDAPluggableAllocator("libc.so.6", "malloc", "free"))
assert asked() == ()
"""


def test_gpus_are_not_asked_in_a_fork_nor_an_allocator_that_has_no_statistics():
    """PyTorch as it would be with a GPU, as far as that goes without one."""
    done = subprocess.run([sys.executable, "-W", "ignore", "-c", CUDA], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
